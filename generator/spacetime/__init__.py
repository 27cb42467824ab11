"""The embedded model: a small world, a linear tokenizer, a diffusion transformer and the pipeline that
joins them."""

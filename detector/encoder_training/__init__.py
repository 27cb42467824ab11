"""Trains a compact image-text encoder in open_clip's format: ``python -m detector.encoder_training``.

Nothing pretrained goes in: pictures of a rendered world with sentences in English and Chinese, and
unlabelled frames of clips. What that is worth is measured in docs/own-encoder.md.
"""

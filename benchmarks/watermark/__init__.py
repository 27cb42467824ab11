"""The attack bench of the watermark: `python -m benchmarks.watermark`."""

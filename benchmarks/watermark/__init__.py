"""What does the mark survive, what does it cost, and what does it do to the picture? `python -m benchmarks.watermark`."""

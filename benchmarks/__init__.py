"""Measurements, made by ``python -m benchmarks``. Speed is a ratio against a peer in the same run."""

"""Measures this product against two frozen baselines on the same machine in the same run: `python -m bench`."""

"""One file for each goal; each measures by itself: `python -m benchmarks.goals --only NAME`."""

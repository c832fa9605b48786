"""Many sessions at little cost: `python -m benchmarks.load_client`."""

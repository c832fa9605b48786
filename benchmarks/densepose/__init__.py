"""DensePose on a GPU: the article's loop and this worker, for `benchmarks/gpu.py`."""

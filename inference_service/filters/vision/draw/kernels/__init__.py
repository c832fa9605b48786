"""Triton kernels of what is drawn on pictures. Each stands for a function of `vision.draw`.

Triton is there on a GPU alone, so modules of this package are imported where they are used.
"""

"""Triton kernels of `background`; each has its plain form in the modules beside."""

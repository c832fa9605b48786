"""Triton kernels of `frame`; each has its plain form in the modules beside."""

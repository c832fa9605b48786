"""Triton kernels of whole pictures; each has its plain form where it is called from."""

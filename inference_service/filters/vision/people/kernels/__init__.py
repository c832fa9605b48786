"""Triton kernels of what is known of people; each has its plain form in the modules beside."""

"""What `animal` has in a second form, as Triton kernels; imported on a GPU alone."""

"""Work that one Triton kernel does instead of many of torch's operators, where a card is faster by it.

`twin` chooses and has the whole of it explained; each other module holds kernels, and is imported on a GPU
alone, since Triton is not everywhere.
"""

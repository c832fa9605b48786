"""What a worker, or a command, says by its exit code. Imports nothing: it is read before anything else."""

DONE = DRAINED = 0
FAILED = 1
"""Of a worker: it failed so often that a new process should be tried."""
REFUSED = 2
"""A setting or an argument that cannot be used."""
HUNG = 3
"""A batch did not end."""
INTERRUPTED = 130
"""By SIGINT, as a shell says it: 128 and the signal's number."""

"""Commands for operators of a running service, or of one that does not run: `status`, `doctor`."""

"""What is measured, not asserted: run by `make bench`."""

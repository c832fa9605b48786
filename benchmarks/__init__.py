"""What is measured, not asserted; README.md lists it."""

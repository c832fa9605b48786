"""The tests mirror the modules they test; e2e drives real processes and a real browser."""

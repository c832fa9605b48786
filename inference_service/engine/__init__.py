"""The worker's loop: what waits, what becomes a batch, what is answered."""

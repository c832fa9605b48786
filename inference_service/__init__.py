"""The inference service: frames in, filtered frames out; the only part that knows torch."""

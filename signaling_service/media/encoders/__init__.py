"""Encoders of the returned picture: one codec a file, each over aiortc's own, whose packets it makes."""

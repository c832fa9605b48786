"""Frames and packets: decoding, encoding, bitrates."""

"""Latency in a browser, weak networks, encoders."""

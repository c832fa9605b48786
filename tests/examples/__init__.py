"""Tests of examples/: each is built and run in Chromium."""

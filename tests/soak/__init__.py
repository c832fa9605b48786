"""Calls that come and go leave nothing behind."""

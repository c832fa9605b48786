"""Drawings made by code."""

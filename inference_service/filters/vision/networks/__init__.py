"""The networks of several filters."""

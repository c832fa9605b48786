"""What filters draw on pictures."""

"""Published pictures: one publisher each, encoded once for all that watch."""

"""Files of weights: downloaded once, checked before they are opened."""

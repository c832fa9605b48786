"""The workers: who lives, which one gets a frame, what comes back."""

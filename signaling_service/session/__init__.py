"""One page's session, and all of them with their limits."""

"""Session descriptions: what an offer may contain, and what is added to an answer."""

"""Makes the pictures and tables of the documents; run by hand when what they show has changed."""

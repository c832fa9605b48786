"""Where people and their heads are: mattes, head positions, covers that follow heads."""

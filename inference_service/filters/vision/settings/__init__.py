"""What an operator may set of the networks that several filters share, and how these are loaded."""

"""A film as it is read, made ready for filters, and written again."""

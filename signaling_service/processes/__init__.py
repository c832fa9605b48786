"""Several media processes behind one HTTP port."""

"""HTTP: the application, its routes, the pages."""

"""The networks for people that come with the project, and the geometry on top of them: docs/networks.md."""

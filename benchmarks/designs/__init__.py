"""What is compared with this service: other designs of the same thing, each a server of its own."""

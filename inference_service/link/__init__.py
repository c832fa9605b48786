"""The sockets: frames in, results and status out."""

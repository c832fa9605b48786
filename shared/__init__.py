"""What both services know: the messages, the sockets, the frames. Imports neither service."""

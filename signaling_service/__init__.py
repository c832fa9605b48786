"""The media service: WebRTC and HTTP towards browsers, ZeroMQ towards workers. Needs no GPU and no torch."""

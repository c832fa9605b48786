"""Sockets that carry calls: UDP and TCP, one for all calls or one for each, and whose datagrams they take."""

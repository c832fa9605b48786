"""Who may connect to the sockets that a service binds: an authenticator by ZAP (RFC 27), in a thread.

With keys: only peers that prove the other side's key (CurveZMQ, RFC 26). Without, on Unix sockets, everybody
who may open them: there the folder's mode decides. Either way libzmq refuses ZMTP 1.0 and 2.0, which it would
speak with a web page's HTTP request, and each connection is given a name of its own. So what comes on
it can be told from what another peer says in its name.
"""

from __future__ import annotations

import logging
import threading
from itertools import count

import zmq
from zmq.utils import z85

from shared.link_keys import LinkKeys

logger = logging.getLogger(__name__)

_ENDPOINT = "inproc://zeromq.zap.01"
_END = "inproc://gate-end"
_DOMAIN = b"p2pcamera"
_VERSION = b"1.0"


class Gate:
    """Of one context: `open` before its sockets are bound, `close` before it is destroyed."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], keys: LinkKeys | None = None) -> None:
        self.refused = 0
        self._context = context
        self._keys = keys
        self._allowed = z85.decode(keys.peer_public) if keys else None
        self._end: zmq.Socket[bytes] | None = None
        self._thread: threading.Thread | None = None

    def open(self) -> None:
        """Begin to let peers in; safe to call twice."""
        if self._thread is not None:
            return
        asked, ending = self._context.socket(zmq.REP), self._context.socket(zmq.PAIR)
        self._end = self._context.socket(zmq.PAIR)
        asked.bind(_ENDPOINT)
        ending.bind(_END)
        self._end.connect(_END)
        self._thread = threading.Thread(target=self._run, args=(asked, ending), name="gate", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Let nobody in any more; safe to call twice."""
        if self._end is None or self._thread is None:
            return
        self._end.send(b"")
        self._thread.join()
        self._end.close(linger=0)
        self._end = None

    def guard(self, socket: zmq.Socket[bytes]) -> None:
        """Set what makes libzmq ask here; before the socket is bound."""
        socket.setsockopt(zmq.ZAP_DOMAIN, _DOMAIN)
        if self._keys is not None:
            socket.setsockopt(zmq.CURVE_SERVER, 1)
            socket.setsockopt(zmq.CURVE_SECRETKEY, self._keys.secret)

    def _run(self, asked: zmq.Socket[bytes], ending: zmq.Socket[bytes]) -> None:
        poller = zmq.Poller()
        poller.register(asked, zmq.POLLIN)
        poller.register(ending, zmq.POLLIN)
        names = count(1)
        while ending not in dict(poller.poll()):
            version, request, _, address, _, mechanism, *credentials = asked.recv_multipart()
            if version == _VERSION and self._lets_in(mechanism, credentials):
                answer = [b"200", b"OK", b"%d" % next(names), b""]
            else:
                self.refused += 1
                if self.refused == 1:
                    logger.warning(
                        "a connection from %.60r by %.20r is refused; further ones are not logged",
                        address.decode(errors="replace"),
                        mechanism.decode(errors="replace"),
                    )
                answer = [b"400", b"not allowed", b"", b""]
            asked.send_multipart([_VERSION, request, *answer])
        for socket in (asked, ending):
            socket.close(linger=0)

    def _lets_in(self, mechanism: bytes, credentials: list[bytes]) -> bool:
        if self._allowed is None:
            return mechanism == b"NULL"
        return mechanism == b"CURVE" and credentials == [self._allowed]


def present(socket: zmq.Socket[bytes], keys: LinkKeys | None) -> None:
    """Set what a socket needs to connect through the other side's gate; before it is connected."""
    if keys is not None:
        socket.setsockopt(zmq.CURVE_SERVERKEY, keys.peer_public)
        socket.setsockopt(zmq.CURVE_PUBLICKEY, keys.public)
        socket.setsockopt(zmq.CURVE_SECRETKEY, keys.secret)

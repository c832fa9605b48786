"""One port of this host for all calls of a process, bound at each local address."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, Protocol, TypeVar

from shared.errors import P2PCameraError

_REMEDIES = {
    errno.EADDRINUSE: "end whatever has it, or choose another",
    errno.EACCES: "below 1024 a system asks for a privilege; choose another",
}
"""For what an operator can mend. What else cannot be bound is an address that has just gone."""


class MediaPortNotTaken(P2PCameraError):
    """A port for media cannot be bound; the service cannot start."""


class _Bound(Protocol):
    def close(self) -> None: ...


Bound = TypeVar("Bound", bound=_Bound)


class FixedPort(Generic[Bound]):
    """What is bound to the port, by local address."""

    def __init__(self, kind: str, port: int, bind: Callable[[str, int], Bound]) -> None:
        """`kind` is UDP or TCP; `bind` takes an address of this host and the port, and may raise OSError."""
        self._kind = kind
        self._port = port
        self._bind = bind
        self._bound: dict[str, Bound] = {}

    def open(self, hosts: Iterable[str]) -> None:
        """Bind to these addresses, to all or to none; raises MediaPortNotTaken.

        What cannot be bound for another reason, as an address that has just gone, is left to `at`.
        """
        for host in hosts:
            try:
                self.at(host)
            except OSError as exc:
                if exc.errno not in _REMEDIES:
                    continue
                self.close()
                taken = f"{self._kind} port {self._port} of {host}"
                remedy = f"{_REMEDIES[exc.errno]} --{self._kind.lower()}-port"
                raise MediaPortNotTaken(f"cannot take {taken} ({exc.strerror}): {remedy}") from exc

    def at(self, host: str) -> Bound:
        """Return what is bound at an address, also at one that this host has had only since.

        Raises OSError.
        """
        if (bound := self._bound.get(host)) is None:
            bound = self._bound[host] = self._bind(host, self._port)
        return bound

    def __iter__(self) -> Iterator[Bound]:
        return iter(self._bound.values())

    def close(self) -> None:
        for bound in self._bound.values():
            bound.close()
        self._bound.clear()

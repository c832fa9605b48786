"""Whoever makes a call, and what is granted to it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from typing import Any

EVERY = "*"


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token allows within what the service allows; None leaves it to the service."""

    filters: frozenset[str] | None = None
    max_sessions: int | None = None
    """At a time, of all callers of the same subject."""
    max_session_s: float | None = None
    """Seconds from connecting to the end of a session."""
    max_width: int | None = None
    max_height: int | None = None
    """Of a camera's picture, either way round."""
    publish: frozenset[str] | None = None
    """Names of streams that may be published, `*` for every name."""
    watch: frozenset[str] | None = None

    def may_publish(self, name: str) -> bool:
        return self.publish is None or not self.publish.isdisjoint((name, EVERY))

    def may_watch(self, name: str) -> bool:
        return self.watch is None or not self.watch.isdisjoint((name, EVERY))


_SETS = ("filters", "publish", "watch")


@dataclass(frozen=True, slots=True)
class Caller:
    """One call's origin: an address, and what its token says."""

    address: str
    subject: str = ""
    """Of the token (RFC 7519 section 4.1.2); empty for the key's callers, and where neither is asked for."""
    grant: Grant = field(default=Grant())
    is_on_loopback: bool = False
    """A page of this host's loopback has made the call."""

    def as_map(self) -> dict[str, Any]:
        """Return what `from_map` of another process takes."""
        made = asdict(self)
        for name in _SETS:
            if made["grant"][name] is not None:
                made["grant"][name] = sorted(made["grant"][name])
        return made

    @classmethod
    def from_map(cls, said: dict[str, Any]) -> Caller:
        grant = dict(said["grant"])
        for name in _SETS:
            if grant[name] is not None:
                grant[name] = frozenset(grant[name])
        return cls(**{**said, "grant": Grant(**grant)})


def preset(default: str, allowed: Collection[str] | None) -> str:
    """Return the filter of a call that names none: the service's default, or one that is allowed."""
    return default if allowed is None or default in allowed or not allowed else min(allowed)


def both(one: Collection[str] | None, other: Collection[str] | None) -> frozenset[str] | None:
    """Return the names in both, where None stands for every name."""
    if one is None:
        return None if other is None else frozenset(other)
    return frozenset(one) if other is None else frozenset(one) & frozenset(other)

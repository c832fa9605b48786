"""What `make run` prints once a call would be accepted: the page's address, and a QR code for a telephone."""

from __future__ import annotations

import io
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

EVERY_ADDRESS = ("0.0.0.0", "::")
LOOPBACK = ("127.0.0.1", "::1", "localhost", *EVERY_ADDRESS)
WHITE_ON_BLACK, PLAIN = "\033[97;40m", "\033[0m"
"""Named, since a light terminal would turn the code into its negative."""
QUIET_MODULES = 2


@dataclass(frozen=True, slots=True)
class Announcement:
    """A service that is ready."""

    scheme: str
    host: str
    port: str
    addresses: Sequence[str]
    """Of this machine, the one that others reach first."""
    key: str = field(repr=False)
    """That was made for this start; empty where somebody has chosen one, or none is asked for."""
    key_file: Path | None = None
    """Holds the key, for whoever cannot see the terminal."""
    fingerprint: str = ""
    """Of a certificate that nobody vouches for."""

    def write(self, out: TextIO) -> None:
        """Print it; the key is shown on a terminal alone, since other outputs are kept as logs."""
        shows_key = out.isatty()
        own = self._link("localhost" if self.host in LOOPBACK else self.host, shows_key)
        others = self._others(shows_key)
        lines = ["", f"p2pcamera is ready: open {own}   (Ctrl-C ends it)"]
        if self.key and not shows_key:
            lines.append(f"The page asks for a key. It is in {self.key_file}")
        if listed := [link for link in others if link != own]:
            lines += ["On other devices of this network:", *(f"  {link}" for link in listed)]
        if self._is_for_others and self.scheme == "http":
            lines.append(
                "Browsers give those a camera over HTTPS alone: make run TLS=selfsigned HOST=0.0.0.0"
            )
        if self.fingerprint:
            lines += [
                "The browser warns once, since nobody vouches for this certificate: continue. Its SHA-256 is",
                *(f"  {self.fingerprint[at : at + 48].strip(':')}" for at in (0, 48)),
            ]
        out.write("\n".join(f"  {line}".rstrip() for line in lines) + "\n\n")
        if shows_key and others and self.scheme == "https":
            out.write(qr_code(others[0], shutil.get_terminal_size().columns))
        out.flush()

    @property
    def _is_for_others(self) -> bool:
        return self.host in EVERY_ADDRESS or self.host not in LOOPBACK

    def _others(self, shows_key: bool) -> list[str]:
        if not self._is_for_others:
            return []
        if self.host not in EVERY_ADDRESS:
            return [self._link(self.host, shows_key)]
        # 0.0.0.0 answers IPv4 alone.
        addresses = [one for one in self.addresses if self.host == "::" or ":" not in one]
        return [self._link(address, shows_key) for address in addresses]

    def _link(self, host: str, shows_key: bool) -> str:
        """Return the page's address; a key goes behind `#`, since browsers send that part to nobody."""
        shown = f"[{host}]" if ":" in host else host
        return f"{self.scheme}://{shown}:{self.port}/" + (
            f"#token={self.key}" if self.key and shows_key else ""
        )


def qr_code(text: str, columns: int) -> str:
    """Return a QR code (ISO/IEC 18004) as lines for a terminal, or why there is none."""
    # No child process is asked for it: arguments can be read by every user of this host.
    import segno

    drawn = io.StringIO()
    code = segno.make(text, error="l", boost_error=False, micro=False)
    code.terminal(drawn, border=QUIET_MODULES, compact=True)
    rows = drawn.getvalue().splitlines()
    if len(rows[0]) > columns:
        return f"  (A QR code needs {len(rows[0])} columns, and this terminal has {columns}.)\n\n"
    return "".join(f"{WHITE_ON_BLACK}{row}{PLAIN}\n" for row in rows) + "\n"

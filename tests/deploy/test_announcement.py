"""What `make run` prints, and to whom it shows the key."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from deploy.announcement import PLAIN, WHITE_ON_BLACK, Announcement, qr_code

KEY = "of-this-start-0123456789abcdefgh"
FOR_ALL = Announcement(
    "https", "0.0.0.0", "7860", ["192.168.1.5", "10.0.0.2", "2001:db8::5"], KEY, Path("/run/key")
)
HALVES = {" ": (0, 0), "▀": (255, 0), "▄": (0, 255), "█": (255, 255)}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def said(announcement: Announcement, out: io.StringIO) -> str:
    announcement.write(out)
    return out.getvalue()


def read(text: str) -> str:
    """Return what a telephone would read off the code in these lines."""
    rows = [
        line.removeprefix(WHITE_ON_BLACK).removesuffix(PLAIN) for line in text.splitlines() if "█" in line
    ]
    cells = np.array([[HALVES[cell] for cell in row] for row in rows], np.uint8)
    modules = cells.transpose(0, 2, 1).reshape(-1, len(rows[0]))
    found, _, _ = cv2.QRCodeDetector().detectAndDecode(np.kron(modules, np.ones((8, 8), np.uint8)))
    return str(found)


def test_a_terminal_shows_a_code_with_the_link_of_the_address_that_others_reach(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = said(FOR_ALL, Terminal())
    assert read(text) == f"https://192.168.1.5:7860/#token={KEY}"
    assert f"open https://localhost:7860/#token={KEY} " in text
    assert f"https://10.0.0.2:7860/#token={KEY}\n" in text
    assert "2001:db8::5" not in text
    assert "https://[2001:db8::5]:7860/" in said(replace(FOR_ALL, host="::"), Terminal())
    one = said(replace(FOR_ALL, host="192.168.1.9"), Terminal())
    assert read(one) == f"https://192.168.1.9:7860/#token={KEY}"
    assert "10.0.0.2" not in one


def test_an_output_that_is_kept_has_no_key() -> None:
    text = said(FOR_ALL, io.StringIO())
    assert KEY not in text + repr(FOR_ALL)
    assert "█" not in text
    assert "/run/key" in text
    assert "https://192.168.1.5:7860/\n" in text


def test_on_loopback_the_address_is_all() -> None:
    for host in ("127.0.0.1", "localhost", "::1"):
        text = said(Announcement("http", host, "8000", ["192.168.1.5"], ""), Terminal())
        assert text == "\n  p2pcamera is ready: open http://localhost:8000/   (Ctrl-C ends it)\n\n"


def test_without_tls_it_says_how_others_get_a_camera() -> None:
    text = said(replace(FOR_ALL, scheme="http"), Terminal())
    assert "make run TLS=selfsigned HOST=0.0.0.0" in text
    assert "█" not in text


def test_a_terminal_that_is_too_narrow_gets_no_torn_code() -> None:
    assert "█" not in qr_code("https://192.168.1.5:7860/", 20)
    assert "20" in qr_code("https://192.168.1.5:7860/", 20)

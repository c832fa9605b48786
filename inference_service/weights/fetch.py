"""One file over HTTP into a part file: resumed where it broke off, tried again, bounded in size.

Who downloads it, what it must contain and where it goes in the end is `weights`' business.
"""

from __future__ import annotations

import http.client
import os
import re
import shutil
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPMessage, HTTPResponse
from pathlib import Path
from typing import IO, BinaryIO
from urllib.parse import urlsplit

from inference_service.errors import InferenceError

MAX_BYTES = 4 << 30
"""The most that is downloaded of a file whose size nobody stated."""
SILENCE_S = 30.0
ATTEMPTS = 4
"""In a row, each with little to show for it."""
PROGRESS_BYTES = 1 << 20
"""An attempt that brought so much begins a new row."""
PAUSE_S = 1.0
_CHUNK_BYTES = 1 << 16
_MAY_PASS = {408, 425, 429, 500, 502, 503, 504}

OnBytes = Callable[[int, int | None], None]
"""Bytes there are, and how many there will be, where the server says it."""


class FetchError(InferenceError):
    """A download that ended without the file."""

    def __init__(self, text: str, *, may_pass: bool = False, is_part_useless: bool = False) -> None:
        """`may_pass`: trying again may help. `is_part_useless`: what has come is not of the file."""
        super().__init__(text)
        self.may_pass = may_pass
        self.is_part_useless = is_part_useless


def is_web_url(url: str) -> bool:
    """`url` is one that is downloaded from: http or https, with a host."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


@dataclass(frozen=True, slots=True)
class Fetch:
    """How files are downloaded; `silence_s` bounds connecting and each wait for the next byte."""

    silence_s: float = SILENCE_S
    pause_s: float = PAUSE_S
    max_bytes: int = MAX_BYTES

    def into(self, part: Path, url: str, size_bytes: int | None, on_bytes: OnBytes) -> bool:
        """Bring `part` to the whole of `url`; what is there already is not sent again.

        Returns whether bytes of an earlier call may be in it, which could be of another version of the file.
        Raises FetchError, or OSError when `part` cannot be written; what has come of the file stays.
        """
        present = had = _size(part)
        left = ATTEMPTS
        while True:
            try:
                is_continued = self._attempt(part, url, size_bytes, on_bytes)
                return is_continued and present > 0
            except FetchError as exc:
                if exc.is_part_useless:
                    part.unlink(missing_ok=True)
                has = _size(part)
                left = ATTEMPTS - 1 if has - had >= PROGRESS_BYTES else left - 1
                had = has
                if not exc.may_pass or left <= 0:
                    raise
                time.sleep(self.pause_s * 2 ** (ATTEMPTS - 1 - left))

    def _attempt(self, part: Path, url: str, size_bytes: int | None, on_bytes: OnBytes) -> bool:
        have = _size(part)
        if size_bytes is not None and have > size_bytes:
            part.unlink()
            have = 0
        if have and have == size_bytes:
            return True
        with self._open(url, have) as response:
            start = _start(response, have)
            if start is None:
                return True
            total = _total(response, start)
            self._check_room(part, start, total, size_bytes)
            with _write_from(part, start) as out:
                end = self._copy(response, out, start, total, size_bytes, on_bytes)
        wanted = size_bytes if size_bytes is not None else total
        if wanted is not None and end < wanted:
            raise FetchError(f"the connection broke after {end:,} of {wanted:,} bytes", may_pass=True)
        return start > 0

    def _open(self, url: str, have: int) -> HTTPResponse:
        if not is_web_url(url):
            raise FetchError("only http and https addresses are downloaded from")
        request = urllib.request.Request(url, headers={"User-Agent": "p2pcamera"})  # noqa: S310 - checked above
        if have:
            request.add_header("Range", f"bytes={have}-")
        try:
            response: HTTPResponse = _opener().open(request, timeout=self.silence_s)
        except urllib.error.HTTPError as exc:
            if exc.code == 416 and have:
                # The name that urllib gives to an answer which it takes for an error.
                return exc  # type: ignore[return-value]
            exc.close()
            raise FetchError(
                f"the server answers {exc.code} {exc.reason}", may_pass=exc.code in _MAY_PASS
            ) from exc
        except urllib.error.URLError as exc:
            raise FetchError(why_unreachable(exc.reason)) from exc
        except (OSError, http.client.HTTPException) as exc:
            raise FetchError(f"the server gave no usable answer ({_said(exc)})", may_pass=True) from exc
        return response

    def _check_room(self, part: Path, start: int, total: int | None, size_bytes: int | None) -> None:
        if total is None:
            return
        if size_bytes is not None and total != size_bytes:
            raise FetchError(f"the server has a file of {total:,} bytes where {size_bytes:,} are expected")
        self._check_size(total, size_bytes)
        free = shutil.disk_usage(part.parent).free
        if total - start > free:
            raise FetchError(f"the disk is too full: {total - start:,} bytes are to come, {free:,} are free")

    def _check_size(self, size: int, size_bytes: int | None) -> None:
        limit = self.max_bytes if size_bytes is None else size_bytes
        if size > limit:
            raise FetchError(f"the file is too large: over {limit:,} bytes", is_part_useless=True)

    def _copy(
        self,
        response: HTTPResponse,
        out: BinaryIO,
        start: int,
        total: int | None,
        size_bytes: int | None,
        on_bytes: OnBytes,
    ) -> int:
        end = start
        wanted = size_bytes if size_bytes is not None else total
        on_bytes(end, wanted)
        while chunk := _read(response, end):
            end += len(chunk)
            self._check_size(end, size_bytes)
            out.write(chunk)
            on_bytes(end, wanted)
        return end


def _read(response: HTTPResponse, end: int) -> bytes:
    try:
        # What has come, rather than a full chunk: a slow line still shows progress.
        return response.read1(_CHUNK_BYTES)
    except (OSError, http.client.HTTPException) as exc:
        raise FetchError(f"the connection broke after {end:,} bytes ({_said(exc)})", may_pass=True) from exc


def _size(part: Path) -> int:
    try:
        return part.stat().st_size
    except FileNotFoundError:
        return 0


def _write_from(part: Path, start: int) -> BinaryIO:
    # Never through a link that someone else laid into a shared folder.
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    out = os.fdopen(fd, "wb")
    out.truncate(start)
    out.seek(start)
    return out


def _start(response: HTTPResponse, have: int) -> int | None:
    """Return where the answer's bytes belong; None when the part is already whole."""
    stated = response.headers.get("Content-Range", "")
    if response.status == 416:
        if re.fullmatch(rf"bytes \*/{have}", stated):
            return None
        raise FetchError(
            "the server has less of the file than had come before", may_pass=True, is_part_useless=True
        )
    if response.status != 206:
        return 0
    if not re.match(rf"bytes {have}-\d+/", stated):
        raise FetchError(
            f"the server sends another range ({stated!r}) than it was asked for",
            may_pass=True,
            is_part_useless=True,
        )
    return have


def _total(response: HTTPResponse, start: int) -> int | None:
    length = response.headers.get("Content-Length", "")
    return start + int(length) if length.isdecimal() else None


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_Redirects)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows to http and https alone, and never from https to http: 24 bits of MD5 prove no origin."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        if not is_web_url(newurl) or (req.type == "https" and urlsplit(newurl).scheme != "https"):
            raise FetchError(f"the server sends on to {newurl}, where no weights are downloaded from")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def why_unreachable(reason: str | BaseException) -> str:
    """Return in words what keeps a server from being reached, of a URLError's reason."""
    if isinstance(reason, ssl.SSLError):
        return f"the server's certificate or TLS is not accepted ({_said(reason)})"
    if isinstance(reason, TimeoutError):
        return "the server did not answer in time"
    return f"the server cannot be reached ({reason if isinstance(reason, str) else _said(reason)})"


def _said(exc: BaseException) -> str:
    return str(exc) or type(exc).__name__

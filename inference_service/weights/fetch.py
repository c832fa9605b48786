"""One file over HTTP into a part file, by huggingface_hub.

The library resumes, tries again, keeps time limits, and knows proxies, certificates and `HF_HUB_OFFLINE`.
This file adds bounds of size, and says to the operator what went wrong. The library is imported where it is
used: that takes half a second, and most starts download nothing.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from inference_service.errors import Cause, InferenceError

MAX_BYTES = 4 << 30
"""The most that is downloaded of a file whose size nobody stated."""
HEADERS = {"User-Agent": "p2pcamera", "Accept-Encoding": "identity"}
"""The library's own user agent would name the packages that are installed here."""
_REPORT_EVERY_S = 0.25

OnBytes = Callable[[int, int | None], None]
"""Bytes there are, and how many there will be, where the server says it; a few times a second."""


class FetchError(InferenceError):
    """A server did not give what was asked for."""

    def __init__(self, text: str, cause: Cause, *, said: str = "", is_part_useless: bool = False) -> None:
        """`said`: what the server has answered; `is_part_useless`: what has come is not of the file."""
        super().__init__(text)
        self.cause = cause
        self.said = said
        self.is_part_useless = is_part_useless


def download(url: str, part: Path, size_bytes: int | None, on_bytes: OnBytes) -> None:
    """Bring `part` to the whole of `url`; bytes that are there already are not sent again.

    Raises FetchError, or OSError when `part` cannot be written. What has come stays for the next call.
    """
    from huggingface_hub.file_download import http_get

    bar: Any = partial(_Bar, part=part, size_bytes=size_bytes, on_bytes=on_bytes)
    try:
        # Never through a link that someone else laid into a shared folder.
        with open(part, "ab", opener=lambda path, flags: os.open(path, flags | os.O_NOFOLLOW, 0o644)) as out:
            had = out.tell()
            with server_errors():
                http_get(url, out, resume_size=had, headers=HEADERS, expected_size=size_bytes, tqdm_class=bar)
    except FetchError as exc:
        if exc.is_part_useless or not part.stat().st_size:
            part.unlink()
        raise


@contextmanager
def server_errors() -> Iterator[None]:
    """Turn what the library raises about a server into a FetchError."""
    from httpx2 import HTTPError, InvalidURL
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    try:
        yield
    except HfHubHTTPError as exc:
        said = f"{exc.response.status_code} {exc.response.reason_phrase}".strip()
        # 416: the server's file ends before the part does.
        is_part_useless = exc.response.status_code == 416
        text = f"the server answers {said}"
        raise FetchError(text, Cause.REFUSED, said=said, is_part_useless=is_part_useless) from exc
    except OfflineModeIsEnabled as exc:
        raise FetchError("HF_HUB_OFFLINE forbids downloads", Cause.OFFLINE) from exc
    except (HTTPError, InvalidURL) as exc:
        text = f"the connection failed ({str(exc) or type(exc).__name__})"
        raise FetchError(text, Cause.CONNECTION) from exc
    except OSError as exc:
        if exc.errno is not None:
            raise
        # So the library calls a body that is shorter than expected.
        text = f"the connection broke ({str(exc).partition(chr(10))[0]})"
        raise FetchError(text, Cause.CONNECTION) from exc


class _Bar(tqdm):  # type: ignore[type-arg]  # generic in its stubs alone
    """The bar that the library moves: draws nothing, and ends a download that cannot be right."""

    monitor_interval = 0

    def __init__(
        self,
        total: int | None,
        initial: int,
        part: Path,
        size_bytes: int | None,
        on_bytes: OnBytes,
        **_: object,
    ) -> None:
        super().__init__(disable=True)
        self._limit = MAX_BYTES if size_bytes is None else size_bytes
        self._on_bytes = on_bytes
        self._has, self._total = initial, total
        self._reported_s = float("-inf")
        if total is not None:
            if size_bytes not in (None, total):
                text = f"the server has a file of {total:,} bytes, expected are {size_bytes:,}"
                raise FetchError(text, Cause.WRONG_SIZE)
            free = shutil.disk_usage(part.parent).free
            if total - initial > free:
                text = f"the disk is too full: {total - initial:,} bytes are to come, {free:,} are free"
                raise FetchError(text, Cause.DISK_FULL)
            self._check(total)
        self.update(0)

    def update(self, n: float | None = 1) -> None:
        """Take note of `n` bytes, which are written next."""
        self._has += int(n or 0)
        self._check(self._has)
        now_s = time.monotonic()
        if now_s - self._reported_s >= _REPORT_EVERY_S or self._has == self._total:
            self._reported_s = now_s
            self._on_bytes(self._has, self._total)

    def _check(self, size: int) -> None:
        if size > self._limit:
            text = f"the file is too large: over {self._limit:,} bytes"
            raise FetchError(text, Cause.WRONG_SIZE, is_part_useless=True)

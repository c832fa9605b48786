"""What Hugging Face's hub says of a file before it is downloaded: its sum and its size.

    HEAD /OWNER/NAME/resolve/COMMIT/PATH
        X-Repo-Commit: COMMIT
        of a large file, beside a redirect:  X-Linked-Etag: "its SHA-256"     X-Linked-Size: bytes
        of a small one:                      ETag: "SHA-1 of its git blob"    Content-Length: bytes

Sources: the hub's maintainers in huggingface/huggingface_hub#3018 and asteroid-team/asteroid#377. Of another
host than the hub nothing is believed: who stores the bytes does not say what they should be.
"""

from __future__ import annotations

import http.client
import re
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import IO
from urllib.parse import urljoin, urlsplit

from inference_service.weights.fetch import ATTEMPTS, Fetch, FetchError, why_unreachable

MAX_MOVES = 3
"""Of a repository that was renamed, each a redirect within the hub."""
MAY_PASS = {408, 425, 429, 500, 502, 503, 504}
_COMMIT = re.compile(r"/resolve/([0-9a-f]{40})/")
_LINE = re.compile(r"((?:sha256:[0-9a-f]{64})|(?:git:[0-9a-f]{40})) (\d{1,15}) (\S+)\n?")
_TAG = re.compile(r'(?:W/)?"?([0-9a-f]+)"?')


@dataclass(frozen=True, slots=True)
class Stated:
    """What a file must be."""

    sum: str
    """`sha256:` or `git:` and all digits; `git` is SHA-1 as git takes it of a file."""
    size_bytes: int


def commit_in(url: str) -> str | None:
    """Return the commit that an address of the hub names; None where it names a branch, which may change."""
    found = _COMMIT.search(urlsplit(url).path)
    return found[1] if found else None


def ask(url: str, fetch: Fetch) -> Stated:
    """Return what the hub says of the file at `url`. Raises FetchError."""
    for left in reversed(range(ATTEMPTS)):
        try:
            return _stated(url, _head(url, fetch.silence_s))
        except FetchError as exc:
            if not exc.may_pass or not left:
                raise
            time.sleep(fetch.pause_s * 2 ** (ATTEMPTS - 1 - left))
    raise AssertionError("the last attempt returns or raises")


def keep(path: Path, url: str, stated: Stated) -> None:
    """Write what was said of `url` into a file, so that nobody needs to be asked again. Raises OSError."""
    part = path.with_name(f"{path.name}.part")
    part.write_text(f"{stated.sum} {stated.size_bytes} {url}\n", "ascii")
    part.replace(path)


def kept(path: Path, url: str) -> Stated | None:
    """Return what `keep` wrote of this very `url`; None where nothing of that kind is there."""
    try:
        found = _LINE.fullmatch(path.read_text("ascii"))
    except (OSError, ValueError):
        return None
    if found is None or found[3] != url:
        return None
    return Stated(found[1], int(found[2]))


def _head(url: str, silence_s: float) -> Message:
    opener = urllib.request.build_opener(_NoRedirects)
    for _ in range(MAX_MOVES + 1):
        headers = {"User-Agent": "p2pcamera"}
        request = urllib.request.Request(url, headers=headers, method="HEAD")  # noqa: S310 - by WeightsFile
        try:
            with opener.open(request, timeout=silence_s) as response:
                answer: Message = response.headers
                return answer
        except urllib.error.HTTPError as exc:
            exc.close()
            if not 300 <= exc.code < 400:
                raise FetchError(
                    f"the server answers {exc.code} {exc.reason}", may_pass=exc.code in MAY_PASS
                ) from exc
            # A redirect that says what it leads to is the answer; else the repository has moved.
            if exc.headers.get("X-Linked-Etag"):
                return exc.headers
            moved = urljoin(url, exc.headers.get("Location", ""))
            if _host(moved) != _host(url):
                raise FetchError(f"the server sends on to {moved} and does not say what is there") from exc
            url = moved
        except urllib.error.URLError as exc:
            raise FetchError(why_unreachable(exc.reason)) from exc
        except (OSError, http.client.HTTPException) as exc:
            text = str(exc) or type(exc).__name__
            raise FetchError(f"the server gave no usable answer ({text})", may_pass=True) from exc
    raise FetchError(f"the server sends on more than {MAX_MOVES} times")


def _stated(url: str, headers: Message) -> Stated:
    commit, came = commit_in(url), headers.get("X-Repo-Commit", "")
    if commit is not None and came != commit:
        raise FetchError(f"the server speaks of commit {came or 'none'} instead of {commit}")
    linked = headers.get("X-Linked-Etag", "")
    tag = _TAG.fullmatch(linked or headers.get("ETag", ""))
    size = headers.get("X-Linked-Size") if linked else headers.get("Content-Length")
    kind, digits = ("sha256", 64) if linked else ("git", 40)
    if tag is None or len(tag[1]) != digits or size is None or not size.isdecimal():
        raise FetchError("the server does not say which sum and size the file has")
    return Stated(f"{kind}:{tag[1]}", int(size))


def _host(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Makes an error of each redirect, since the redirect itself carries the answer."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Message,
        newurl: str,
    ) -> None:
        return None

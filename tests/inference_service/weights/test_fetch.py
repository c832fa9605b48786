from __future__ import annotations

import os
import shutil
import socket
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from http.client import HTTPMessage
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import pytest

from inference_service.weights import fetch
from inference_service.weights.fetch import ATTEMPTS, PROGRESS_BYTES, Fetch, FetchError
from tests.inference_service.file_server import Served, serving

CONTENT = os.urandom(300_000)
QUICK = Fetch(silence_s=5, pause_s=0.001)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving(CONTENT) as one:
        yield one


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "file.pkl.part"


def into(part: Path, served: Served, size_bytes: int | None = None, how: Fetch = QUICK) -> bool:
    return how.into(part, served.url, size_bytes, lambda has, wanted: None)


@pytest.mark.parametrize("size_bytes", [None, len(CONTENT)])
@pytest.mark.parametrize("says_length", [True, False])
def test_whole_file_comes(served: Served, part: Path, size_bytes: int | None, says_length: bool) -> None:
    served.says_length = says_length
    assert not into(part, served, size_bytes)
    assert part.read_bytes() == CONTENT
    assert served.asked == [None]


def test_broken_answer_is_continued_where_it_broke_off(served: Served, part: Path) -> None:
    served.cuts = [100_000, 50_000]
    assert not into(part, served)
    assert part.read_bytes() == CONTENT
    assert served.asked == [None, "bytes=100000-", "bytes=150000-"]


def test_answer_that_ends_early_without_saying_its_length_is_continued(served: Served, part: Path) -> None:
    served.says_length = False
    served.cuts = [100_000]
    into(part, served, len(CONTENT))
    assert part.read_bytes() == CONTENT
    assert served.asked == [None, "bytes=100000-"]


def test_bytes_of_an_earlier_call_are_not_sent_again(served: Served, part: Path) -> None:
    part.write_bytes(CONTENT[:200_000])
    assert into(part, served)
    assert part.read_bytes() == CONTENT
    assert served.asked == ["bytes=200000-"]


def test_server_without_ranges_sends_all_of_it_again(served: Served, part: Path) -> None:
    served.knows_ranges = False
    served.cuts = [100_000]
    part.write_bytes(b"x" * 200_000)
    assert not into(part, served)
    assert part.read_bytes() == CONTENT
    assert len(served.asked) == 2


@pytest.mark.parametrize("size_bytes", [None, len(CONTENT)])
def test_part_that_is_whole_is_kept(served: Served, part: Path, size_bytes: int | None) -> None:
    part.write_bytes(CONTENT)
    assert into(part, served, size_bytes)
    assert part.read_bytes() == CONTENT
    assert len(served.asked) == (1 if size_bytes is None else 0)


@pytest.mark.parametrize("size_bytes", [None, len(CONTENT)])
def test_part_that_is_longer_than_the_file_is_begun_anew(
    served: Served, part: Path, size_bytes: int | None
) -> None:
    part.write_bytes(CONTENT + b"more")
    into(part, served, size_bytes)
    assert part.read_bytes() == CONTENT


def test_range_that_was_not_asked_for_is_not_taken(served: Served, part: Path) -> None:
    served.content_range = "bytes 0-299999/300000"
    part.write_bytes(CONTENT[:1000])
    into(part, served)
    assert part.read_bytes() == CONTENT
    assert served.asked == ["bytes=1000-", None]


def test_attempts_come_to_an_end(served: Served, part: Path) -> None:
    served.cuts = [10] * 100
    with pytest.raises(FetchError, match=r"broke after 40 of 300,000 bytes"):
        into(part, served)
    assert len(served.asked) == ATTEMPTS
    assert part.read_bytes() == CONTENT[:40]


def test_attempts_that_get_on_may_be_many(served: Served, part: Path) -> None:
    served.content = CONTENT * 30
    served.cuts = [PROGRESS_BYTES] * (ATTEMPTS + 1)
    into(part, served)
    assert part.read_bytes() == served.content
    assert len(served.asked) > ATTEMPTS + 1


def test_missing_file_is_asked_for_once(served: Served, part: Path) -> None:
    served.status = 404
    with pytest.raises(FetchError, match="404 Not Found"):
        into(part, served)
    assert len(served.asked) == 1
    assert not part.exists()


def test_server_that_is_busy_is_asked_again(served: Served, part: Path) -> None:
    served.status = 503
    with pytest.raises(FetchError, match="503"):
        into(part, served)
    assert len(served.asked) == ATTEMPTS


def test_silent_server_is_given_up(served: Served, part: Path) -> None:
    served.pause_after = 1000
    with pytest.raises(FetchError, match=r"broke after 4,000 bytes \(timed out\)"):
        into(part, served, how=replace(QUICK, silence_s=0.1))


def test_server_that_takes_the_connection_and_says_nothing_is_given_up(served: Served, part: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        served.url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(FetchError, match=r"timed out|in time"):
            into(part, served, how=replace(QUICK, silence_s=0.1))


def test_slow_answer_shows_what_has_come(served: Served, part: Path) -> None:
    served.pause_after = 1000
    seen: list[tuple[int, int | None]] = []

    def look(has: int, wanted: int | None) -> None:
        seen.append((has, wanted))
        if has >= 1000:
            served.go_on.set()

    QUICK.into(part, served.url, None, look)
    assert seen[0] == (0, len(CONTENT))
    assert (1000, len(CONTENT)) in seen
    assert seen[-1] == (len(CONTENT), len(CONTENT))


def test_no_server_is_said_at_once(served: Served, part: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    served.url = f"http://127.0.0.1:{port}/"
    with pytest.raises(FetchError, match="cannot be reached"):
        into(part, served, how=replace(QUICK, pause_s=60))


@pytest.mark.parametrize("says_length", [True, False])
def test_file_over_the_limit_is_not_kept(served: Served, part: Path, says_length: bool) -> None:
    served.says_length = says_length
    with pytest.raises(FetchError, match="too large: over 100,000 bytes"):
        into(part, served, how=replace(QUICK, max_bytes=100_000))
    assert not part.exists()


def test_body_that_is_longer_than_expected_is_not_kept(served: Served, part: Path) -> None:
    served.says_length = False
    with pytest.raises(FetchError, match="too large: over 299,999 bytes"):
        into(part, served, len(CONTENT) - 1)
    assert not part.exists()


def test_file_of_another_size_is_refused_before_it_is_sent(served: Served, part: Path) -> None:
    with pytest.raises(FetchError, match="300,000 bytes where 300,001 are expected"):
        into(part, served, len(CONTENT) + 1)
    assert not part.exists()


def test_full_disk_is_noticed_before_it_is_full(
    served: Served, part: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=299_999))
    with pytest.raises(FetchError, match="300,000 bytes are to come, 299,999 are free"):
        into(part, served)
    assert not part.exists()


def test_redirect_is_followed_with_the_range(served: Served, part: Path) -> None:
    served.location = served.url.replace("file.pkl", "here")
    part.write_bytes(CONTENT[:1000])
    into(part, served)
    assert part.read_bytes() == CONTENT
    assert served.asked == ["bytes=1000-"] * 2


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("file:///etc/hostname", "302"),
        ("data:,x", "302"),
        # urllib itself would follow this one.
        ("ftp://127.0.0.1/x", "sends on to ftp:"),
    ],
)
def test_redirect_to_anything_but_the_web_is_refused(
    served: Served, part: Path, location: str, said: str
) -> None:
    served.location = location
    with pytest.raises(FetchError, match=said):
        into(part, served)
    assert not part.exists()
    assert len(served.asked) == 1


def test_endless_redirect_ends(served: Served, part: Path) -> None:
    served.location = served.url
    with pytest.raises(FetchError, match="302"):
        into(part, served)


def test_redirect_from_https_to_http_is_refused() -> None:
    asked = urllib.request.Request("https://host.invalid/a")
    redirects = fetch._Redirects()
    with pytest.raises(FetchError, match="sends on to http://"):
        redirects.redirect_request(asked, BytesIO(), 302, "Found", HTTPMessage(), "http://host.invalid/b")
    followed = redirects.redirect_request(
        asked, BytesIO(), 302, "Found", HTTPMessage(), "https://host.invalid/b"
    )
    assert followed is not None
    assert followed.full_url == "https://host.invalid/b"


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host/x", "data:,x", "//host/x", "http://", "x"])
def test_only_the_web_is_downloaded_from(part: Path, url: str) -> None:
    assert not fetch.is_web_url(url)
    with pytest.raises(FetchError, match="only http and https"):
        QUICK.into(part, url, None, lambda has, wanted: None)


def test_link_in_place_of_the_part_is_not_written_through(served: Served, part: Path, tmp_path: Path) -> None:
    target = tmp_path / "else"
    target.write_bytes(b"")
    part.symlink_to(target)
    with pytest.raises(OSError, match="symbolic links"):
        into(part, served)
    assert target.read_bytes() == b""

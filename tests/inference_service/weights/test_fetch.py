from __future__ import annotations

import shutil
import socket
from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub import constants

from inference_service.weights import fetch
from inference_service.weights.fetch import FetchError, download
from tests.inference_service.file_server import Served
from tests.inference_service.weights.conftest import CONTENT, PIECE


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "file.pkl.part"


def into(part: Path, served: Served, size_bytes: int | None = None) -> None:
    download(served.url, part, size_bytes, lambda has, wanted: None)


@pytest.mark.parametrize("size_bytes", [None, len(CONTENT)])
@pytest.mark.parametrize("says_length", [True, False])
def test_whole_file_comes(served: Served, part: Path, size_bytes: int | None, says_length: bool) -> None:
    served.says_length = says_length
    into(part, served, size_bytes)
    assert part.read_bytes() == CONTENT
    assert served.asked == [None]


def test_broken_answer_is_continued_where_it_broke_off(served: Served, part: Path) -> None:
    served.cuts = [PIECE + 1000, 100]
    into(part, served)
    assert part.read_bytes() == CONTENT
    assert served.asked == [None, f"bytes={PIECE}-", f"bytes={PIECE}-"]


def test_bytes_of_an_earlier_call_are_not_sent_again(served: Served, part: Path) -> None:
    part.write_bytes(CONTENT[:200_000])
    into(part, served)
    assert part.read_bytes() == CONTENT
    assert served.asked == ["bytes=200000-"]


def test_whole_part_of_known_size_needs_no_server(served: Served, part: Path) -> None:
    part.write_bytes(CONTENT)
    into(part, served, len(CONTENT))
    assert not served.asked


def test_server_without_ranges_sends_all_of_it_again(served: Served, part: Path) -> None:
    served.knows_ranges = False
    part.write_bytes(b"x" * 200_000)
    into(part, served)
    assert part.read_bytes() == CONTENT


def test_part_that_is_longer_than_the_file_is_deleted(served: Served, part: Path) -> None:
    part.write_bytes(CONTENT + b"more")
    with pytest.raises(FetchError, match="416"):
        into(part, served)
    assert not part.exists()


def test_connection_that_breaks_for_good_is_told_and_what_has_come_is_kept(
    served: Served, part: Path
) -> None:
    served.cuts = [PIECE, *[10] * 20]
    with pytest.raises(FetchError, match="the connection failed"):
        into(part, served)
    assert part.read_bytes() == CONTENT[:PIECE]


def test_body_that_ends_early_without_a_length_is_told(served: Served, part: Path) -> None:
    served.says_length = False
    served.cuts = [1000]
    with pytest.raises(FetchError, match=r"the connection broke .*12000000 but has size 1000"):
        into(part, served, len(CONTENT))


@pytest.mark.parametrize("status", [404, 503])
def test_refusal_is_told(served: Served, part: Path, status: int) -> None:
    served.status = status
    with pytest.raises(FetchError, match=f"the server answers {status} "):
        into(part, served)
    assert not part.exists()


def test_silent_server_is_given_up(served: Served, part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.1)
    served.pause_after = 1000
    with pytest.raises(FetchError, match="timed out"):
        into(part, served)


def test_no_server_is_told(part: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(FetchError, match="Connection refused"):
        download(f"http://127.0.0.1:{port}/", part, None, lambda has, wanted: None)
    assert not part.exists()


def test_offline_mode_asks_nobody(served: Served, part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(FetchError, match="HF_HUB_OFFLINE"):
        into(part, served)
    assert not served.asked


@pytest.mark.parametrize("says_length", [True, False])
def test_file_over_the_limit_is_not_kept(
    served: Served, part: Path, says_length: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "MAX_BYTES", 100_000)
    served.says_length = says_length
    with pytest.raises(FetchError, match="too large: over 100,000 bytes"):
        into(part, served)
    assert not part.exists()


def test_file_of_another_size_is_refused_before_it_is_sent(served: Served, part: Path) -> None:
    with pytest.raises(FetchError, match="12,000,000 bytes, expected are 12,000,001"):
        into(part, served, len(CONTENT) + 1)
    assert not part.exists()


def test_full_disk_is_noticed_before_it_is_full(
    served: Served, part: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part.write_bytes(CONTENT[:1000])
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=11_998_999))
    with pytest.raises(FetchError, match="11,999,000 bytes are to come, 11,998,999 are free"):
        into(part, served)
    assert part.stat().st_size == 1000


@pytest.mark.parametrize("location", ["file:///etc/hostname", "ftp://127.0.0.1/x", "data:,x", "/file.pkl"])
def test_redirect_away_from_the_web_or_without_end_is_refused(
    served: Served, part: Path, location: str
) -> None:
    served.location = location
    with pytest.raises(FetchError, match="the connection failed"):
        into(part, served)
    assert not part.exists()


def test_link_in_place_of_the_part_is_not_written_through(served: Served, part: Path, tmp_path: Path) -> None:
    target = tmp_path / "else"
    target.write_bytes(b"")
    part.symlink_to(target)
    with pytest.raises(OSError, match="symbolic links"):
        into(part, served)
    assert target.read_bytes() == b""


def test_server_is_told_nothing_of_this_host(
    served: Served, part: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    into(part, served)
    assert served.headers[0]["user-agent"] == "p2pcamera"
    assert "authorization" not in served.headers[0]

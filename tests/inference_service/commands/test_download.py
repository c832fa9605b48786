from __future__ import annotations

import hashlib
import os
import pty
import select
import signal
import sys
import termios
import threading
from collections.abc import Iterator, Sequence
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import torch

from inference_service.commands import download
from inference_service.filters.base import Filter, Item
from inference_service.filters.installed import BUILT_IN
from inference_service.weights.folder import WeightsFile, default_folder
from tests.inference_service.doubles import until
from tests.inference_service.file_server import Served, serving

# Longer than the pieces in which the library writes, so that some of a stopped download is kept.
CONTENT = bytes(range(256)) * 50_000


class _Nothing(Filter):
    def apply(self, batch: torch.Tensor, items: Sequence[Item]) -> torch.Tensor:
        return batch


class Heavy(_Nothing):
    name = "heavy"
    title = "Heavy"


class Other(_Nothing):
    name = "other"
    title = "Other"


class Light(_Nothing):
    name = "light"
    title = "Light"


def files(url: str) -> tuple[WeightsFile, ...]:
    md5 = hashlib.md5(CONTENT).hexdigest()
    return (WeightsFile("heavy.pkl", url, f"md5:{md5[:6]}", "CC0, drawn by dice", len(CONTENT)),)


def point(name: str, attribute: str) -> EntryPoint:
    return EntryPoint(name, f"{__name__}:{attribute}", "p2pcamera.filters")


def install(monkeypatch: pytest.MonkeyPatch, **attributes: str) -> None:
    points = {name: point(name, attribute) for name, attribute in attributes.items()}
    monkeypatch.setattr(download, "installed", lambda: points)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving(CONTENT) as one:
        monkeypatch.setattr(Heavy, "weights", files(one.url))
        yield one


def test_every_file_of_a_filter_comes_with_its_licence_said(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install(monkeypatch, heavy="Heavy", light="Light")
    second = WeightsFile("second.pkl", served.url, Heavy.weights[0].sum_prefix, "another")
    monkeypatch.setattr(Heavy, "weights", (*Heavy.weights, second))
    assert download.main(["heavy", "--weights-dir", str(tmp_path)]) == 0
    assert (tmp_path / "heavy.pkl").read_bytes() == (tmp_path / "second.pkl").read_bytes() == CONTENT
    assert capsys.readouterr().out.splitlines() == [
        "heavy: heavy.pkl, 13 MB; licence: CC0, drawn by dice",
        f"heavy: {tmp_path / 'heavy.pkl'} is there and checked",
        "heavy: second.pkl; licence: another",
        f"heavy: {tmp_path / 'second.pkl'} is there and checked",
    ]


def test_folder_is_the_flags_then_the_variables_then_the_users(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, heavy="Heavy")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("INFERENCE_WEIGHTS_DIR", "")
    assert download.main(["heavy"]) == 0
    assert (default_folder() / "heavy.pkl").is_file()
    monkeypatch.setenv("INFERENCE_WEIGHTS_DIR", str(tmp_path / "variable"))
    assert download.main(["heavy"]) == 0
    assert (tmp_path / "variable" / "heavy.pkl").is_file()
    assert download.main(["--weights-dir", str(tmp_path / "flag"), "heavy"]) == 0
    assert (tmp_path / "flag" / "heavy.pkl").is_file()
    assert len(served.asked) == 3


def test_file_that_two_filters_share_comes_once(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install(monkeypatch, heavy="Heavy", other="Other")
    monkeypatch.setattr(Other, "weights", files(served.url))
    assert download.main(["heavy", "other", "heavy", "--weights-dir", str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("is there and checked") == 1
    assert len(served.asked) == 1


def test_all_means_every_filter_that_has_weights(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, light="Light", heavy="Heavy")
    assert download.main(["all", "--weights-dir", str(tmp_path)]) == 0
    assert (tmp_path / "heavy.pkl").is_file()


def test_all_of_none_is_no_fault(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    install(monkeypatch, light="Light")
    assert download.main(["all"]) == 0
    assert capsys.readouterr().out == "no filter here needs weights\n"


def test_unknown_filter_is_refused_before_anything_is_downloaded(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install(monkeypatch, heavy="Heavy", light="Light")
    assert download.main(["heavy", "havy", "--weights-dir", str(tmp_path)]) == 2
    assert capsys.readouterr().err == "no filter 'havy'; there are heavy, light\n"
    assert not served.asked


def test_filter_without_weights_is_refused_before_anything_is_downloaded(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install(monkeypatch, heavy="Heavy", light="Light")
    assert download.main(["heavy", "light", "--weights-dir", str(tmp_path)]) == 2
    assert capsys.readouterr().err == "filter 'light' has nothing to download: it needs no weights\n"
    assert not served.asked


@pytest.mark.parametrize("argv", [[], ["--weights-dir"], ["heavy", "--force"]])
def test_flag_that_cannot_be_used_is_refused(argv: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        download.main(argv)
    assert caught.value.code == 2


def test_download_that_fails_is_told_after_the_others_are_done(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install(monkeypatch, other="Other", heavy="Heavy")
    wrong = WeightsFile("other.pkl", served.url, "md5:000000", "none")
    monkeypatch.setattr(Other, "weights", (wrong,))
    assert download.main(["other", "heavy", "--weights-dir", str(tmp_path)]) == 1
    assert (tmp_path / "heavy.pkl").is_file()
    assert not (tmp_path / "other.pkl").exists()
    assert capsys.readouterr().err.startswith(f"other: {served.url} gave another file than other.pkl")


@pytest.mark.parametrize(
    ("attribute", "said"), [("Missing", "AttributeError"), ("CONTENT", "a subclass of Filter")]
)
def test_filter_that_cannot_be_imported_hurts_no_other(
    served: Served,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    attribute: str,
    said: str,
) -> None:
    install(monkeypatch, broken=attribute, heavy="Heavy")
    assert download.main(["all", "--weights-dir", str(tmp_path)]) == 1
    assert (tmp_path / "heavy.pkl").is_file()
    error = capsys.readouterr().err
    assert error.startswith("filter 'broken' could not be imported: ")
    assert said in error


def test_real_filters_are_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert download.main(["ink"]) == 2
    assert "'ink' has nothing to download" in capsys.readouterr().err
    assert download.main(["nothing"]) == 2
    assert ", ".join(sorted(BUILT_IN)) in capsys.readouterr().err


def test_terminal_shows_a_bar_and_a_log_does_not(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install(monkeypatch, heavy="Heavy")
    assert download.main(["heavy", "--weights-dir", str(tmp_path / "log")]) == 0
    assert capsys.readouterr().err == ""
    leader, follower = pty.openpty()
    # A bar is drawn to the width of its terminal, and in one without a size not at all.
    termios.tcsetwinsize(follower, (24, 100))
    try:
        with os.fdopen(follower, "w") as terminal, monkeypatch.context() as patch:
            patch.setattr(sys, "stderr", terminal)
            assert download.main(["heavy", "--weights-dir", str(tmp_path / "shown")]) == 0
        assert select.select([leader], [], [], 5)[0], "nothing is shown"
        shown = os.read(leader, 1 << 16).decode()
    finally:
        os.close(leader)
    assert "downloading heavy.pkl (0 of 13 MB) |" in shown
    assert "100 %" in shown


def test_stopped_download_says_so_and_keeps_what_has_come(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install(monkeypatch, heavy="Heavy")
    served.pause_after = 11_000_000
    part = tmp_path / "heavy.pkl.part"
    is_over = threading.Event()

    def press_ctrl_c() -> None:
        until(lambda: is_over.is_set() or (part.exists() and part.stat().st_size))
        if not is_over.is_set():
            os.kill(os.getpid(), signal.SIGINT)

    pressing = threading.Thread(target=press_ctrl_c)
    pressing.start()
    try:
        assert download.main(["heavy", "--weights-dir", str(tmp_path)]) == 130
    finally:
        is_over.set()
        pressing.join()
    assert capsys.readouterr().err == "stopped; what has come is kept, and the next try goes on from there\n"
    assert 0 < part.stat().st_size <= 11_000_000
    assert not (tmp_path / "heavy.pkl").exists()

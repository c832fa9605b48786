from __future__ import annotations

import hashlib
import os
import re
import resource
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from harness.deadline import eventually
from harness.services import free_port
from inference_service.errors import WeightsError
from inference_service.weights.folder import WeightsFile, WeightsFolder, default_folder
from tests.inference_service.file_server import Served
from tests.inference_service.weights.conftest import CONTENT, PIECE

MD5 = "md5:" + hashlib.md5(CONTENT).hexdigest()
SHA256 = "sha256:" + hashlib.sha256(CONTENT).hexdigest()
NAME = "model_final.pkl"
ONE_WORKER = """
import sys
from pathlib import Path
from inference_service.errors import WeightsError
from inference_service.weights.folder import WeightsFile, WeightsFolder

url, sum_prefix, folder = sys.argv[1:]
file = WeightsFile("model_final.pkl", url, sum_prefix, "none")
try:
    print("got", WeightsFolder(Path(folder), lambda text, fraction: print(text, flush=True)).get(file))
except WeightsError as exc:
    raise SystemExit(str(exc))
"""


def weights(served: Served, size_bytes: int | None = len(CONTENT)) -> WeightsFile:
    return WeightsFile(NAME, served.url, MD5[:10], "none", size_bytes)


def visible(folder: WeightsFolder) -> list[str]:
    return sorted(path.name for path in folder.path.iterdir() if not path.name.startswith("."))


def start_worker(served: Served, folder: WeightsFolder, sum_prefix: str = MD5[:10]) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", ONE_WORKER, served.url, sum_prefix, str(folder.path)]
    return subprocess.Popen(argv, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


@pytest.mark.parametrize("size_bytes", [None, len(CONTENT)])
def test_missing_file_is_downloaded_once(
    served: Served, folder: WeightsFolder, size_bytes: int | None
) -> None:
    file = weights(served, size_bytes)
    path = folder.get(file)
    assert path == folder.path / NAME
    assert path.read_bytes() == CONTENT
    assert visible(folder) == [NAME]
    assert folder.get(file) == path
    assert len(served.asked) == 1


def test_present_file_needs_neither_a_server_nor_a_folder_to_write_to(folder: WeightsFolder) -> None:
    folder.path.mkdir(parents=True)
    (folder.path / NAME).write_bytes(CONTENT)
    file = WeightsFile(NAME, "http://127.0.0.1:9/", MD5, "none")
    assert folder.get(file).read_bytes() == CONTENT
    assert [path.name for path in folder.path.iterdir()] == [NAME]


@pytest.mark.parametrize(
    ("content", "size_bytes", "said"),
    [
        (CONTENT[:-1], len(CONTENT), "is truncated: it has 11,999,999 bytes, expected are 12,000,000"),
        (CONTENT + b"x", len(CONTENT), "not the file that is expected: it has 12,000,001 bytes"),
        (
            CONTENT[:-1],
            None,
            "is truncated or not the file that is expected: the MD5 sum of its 11,999,999 bytes",
        ),
        (b"x" + CONTENT[1:], len(CONTENT), f"expected is {MD5[4:10]}"),
        (b"", None, "expected"),
    ],
)
def test_wrong_file_is_reported_and_left_alone(
    served: Served, folder: WeightsFolder, content: bytes, size_bytes: int | None, said: str
) -> None:
    folder.path.mkdir(parents=True)
    path = folder.path / NAME
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=re.escape(said)) as caught:
        folder.get(weights(served, size_bytes))
    assert str(path) in str(caught.value)
    assert "Delete it, and it is downloaded anew" in str(caught.value)
    assert (caught.value.cause, caught.value.subject) == ("damaged", NAME)
    assert path.read_bytes() == content
    assert not served.asked


def test_wrong_content_never_gets_the_name(served: Served, folder: WeightsFolder) -> None:
    served.content = os.urandom(len(CONTENT))
    with pytest.raises(WeightsError, match="gave another file than") as caught:
        folder.get(weights(served))
    assert served.url in str(caught.value)
    assert str(folder.path / NAME) in str(caught.value)
    assert (caught.value.cause, caught.value.subject) == ("wrong_file", f"127.0.0.1, {NAME}")
    assert visible(folder) == []


def test_broken_download_is_kept_and_continued_by_the_next_call(
    served: Served, folder: WeightsFolder
) -> None:
    served.cuts = [PIECE, *[1] * 5]
    with pytest.raises(WeightsError, match="The next try goes on from what has come"):
        folder.get(weights(served))
    assert visible(folder) == [f"{NAME}.part"]
    assert folder.get(weights(served)).read_bytes() == CONTENT
    assert served.asked[-1] == f"bytes={PIECE}-"
    assert visible(folder) == [NAME]


@pytest.mark.parametrize("left", [b"x" * 1000, b"x" * len(CONTENT), b"x" * (len(CONTENT) + 1)])
@pytest.mark.parametrize("size_bytes", [None, len(CONTENT)])
def test_part_of_another_version_is_deleted_and_the_next_try_is_right(
    served: Served, folder: WeightsFolder, left: bytes, size_bytes: int | None
) -> None:
    folder.path.mkdir(parents=True)
    (folder.path / f"{NAME}.part").write_bytes(left)
    with pytest.raises(WeightsError, match="Try again"):
        folder.get(weights(served, size_bytes))
    assert visible(folder) == []
    assert folder.get(weights(served, size_bytes)).read_bytes() == CONTENT


def test_missing_address_names_it_and_the_way_round(served: Served, folder: WeightsFolder) -> None:
    served.status = 404
    with pytest.raises(WeightsError) as caught:
        folder.get(weights(served))
    for said in (served.url, "404", str(folder.path / NAME), "`weights` setting"):
        assert said in str(caught.value)
    assert (caught.value.cause, caught.value.subject) == ("refused", f"127.0.0.1, {NAME}, 404 Not Found")


def test_no_network_names_the_address_and_the_way_round(folder: WeightsFolder) -> None:
    file = WeightsFile(NAME, f"http://127.0.0.1:{free_port()}/a.pkl", MD5, "none")
    with pytest.raises(WeightsError, match="Connection refused") as caught:
        folder.get(file)
    for said in (file.url, str(folder.path / NAME), "`weights` setting"):
        assert said in str(caught.value)
    assert (caught.value.cause, caught.value.subject) == ("connection", f"127.0.0.1, {NAME}")


def test_folder_that_cannot_be_made_is_named(served: Served, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WeightsError, match=r"--weights-dir") as caught:
        WeightsFolder(tmp_path / "file" / "weights").get(weights(served))
    assert str(tmp_path / "file" / "weights") in str(caught.value)
    assert not served.asked


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_that_may_not_be_written_to_is_named(served: Served, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(WeightsError, match="Permission denied"):
        WeightsFolder(tmp_path).get(weights(served))


def test_write_that_fails_is_an_error_of_the_folder(served: Served, folder: WeightsFolder) -> None:
    # As on a full disk, write() fails when some of the file is there.
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        with pytest.raises(WeightsError, match=r"cannot be kept in .* \(File too large\)") as caught:
            folder.get(weights(served))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert (caught.value.cause, caught.value.subject) == ("not_kept", NAME)
    assert not (folder.path / NAME).exists()
    assert folder.get(weights(served)).read_bytes() == CONTENT


def test_progress_is_shown_from_the_first_byte_to_the_check(served: Served, folder: WeightsFolder) -> None:
    seen: list[tuple[str, float]] = []
    replace(folder, on_progress=lambda text, fraction: seen.append((text, fraction))).get(weights(served))
    assert seen[0] == (f"downloading {NAME} (0 of 12 MB)", 0.0)
    assert seen[-2] == (f"downloading {NAME} (12 of 12 MB)", 1.0)
    assert seen[-1] == (f"checking {NAME}", 1.0)
    fractions = [fraction for _, fraction in seen]
    assert fractions == sorted(fractions)


async def test_one_process_downloads_while_the_other_waits_and_says_so(
    served: Served, folder: WeightsFolder
) -> None:
    served.pause_after = PIECE + 1000
    first = start_worker(served, folder)
    await eventually(lambda: served.asked, 20, "the first one asks")
    second = start_worker(served, folder)
    assert second.stdout is not None
    assert second.stdout.readline().startswith(f"waiting for another worker, which downloads {NAME}")
    served.go_on.set()
    outputs = [worker.communicate(timeout=20)[0] for worker in (first, second)]
    for output in outputs:
        assert output.splitlines()[-1] == f"got {folder.path / NAME}"
    assert "waiting" not in outputs[0]
    assert "downloading" not in outputs[1]
    assert len(served.asked) == 1


async def test_killed_download_leaves_nothing_taken_for_good_and_the_other_takes_over(
    served: Served, folder: WeightsFolder
) -> None:
    served.pause_after = PIECE + 1000
    first = start_worker(served, folder)
    part = folder.path / f"{NAME}.part"
    await eventually(lambda: part.exists() and part.stat().st_size, 20, "some of it is there")
    second = start_worker(served, folder)
    assert second.stdout is not None
    assert "waiting" in second.stdout.readline()
    first.kill()
    first.communicate(timeout=20)
    await eventually(lambda: len(served.asked) == 2, 20, "the second one asks")
    assert visible(folder) == [part.name]
    served.go_on.set()
    assert second.communicate(timeout=20)[0].splitlines()[-1] == f"got {folder.path / NAME}"
    assert (folder.path / NAME).read_bytes() == CONTENT


def test_many_threads_get_one_download(served: Served, folder: WeightsFolder) -> None:
    got: list[Path] = []
    threads = [threading.Thread(target=lambda: got.append(folder.get(weights(served)))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert got == [folder.path / NAME] * 4
    assert len(served.asked) == 1


@pytest.mark.parametrize(
    ("name", "url", "sum_prefix"),
    [
        ("../a", "https://host/a", MD5),
        (".a", "https://host/a", MD5),
        ("a/b", "https://host/a", MD5),
        ("", "https://host/a", MD5),
        ("a.part", "https://host/a", MD5),
        ("a\n", "https://host/a", MD5),
        ("a", "file:///etc/passwd", MD5),
        ("a", "ftp://host/a", MD5),
        ("a", "http://", MD5),
        ("a", "/a", MD5),
        ("a", "https://host/a", ""),
        ("a", "https://host/a", "123456"),
        ("a", "https://host/a", "md5:12345"),
        ("a", "https://host/a", "md5:12345g"),
        ("a", "https://host/a", "crc32:123456"),
        ("a", "https://host/a", MD5 + "0"),
        ("a", "https://host/a", SHA256 + "0"),
    ],
)
def test_file_that_could_never_be_had_is_refused(name: str, url: str, sum_prefix: str) -> None:
    with pytest.raises(ValueError, match="weights: "):
        WeightsFile(name, url, sum_prefix, "none")


def test_default_folder_is_the_users_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert default_folder() == Path("/somewhere/p2pcamera/weights")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    assert default_folder() == Path("/home/me/.cache/p2pcamera/weights")

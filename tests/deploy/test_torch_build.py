"""Which build of torch an installation takes, and what it says before."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy import torch_build
from harness.services import free_port

CPU_FILE = "__version__ = '2.13.0+cpu'\ncuda: Optional[str] = None\nhip: Optional[str] = None\n"
CUDA_FILE = "__version__ = '2.14.1+cu130'\ncuda: Optional[str] = '13.0'\nhip: Optional[str] = None\n"


class _Index(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/torch/" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An index that answers for torch."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Index)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(torch_build, "INDEX", url)
    yield url
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def no_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_build, "INDEX", f"http://127.0.0.1:{free_port()}")


@pytest.fixture
def constraints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the versions go; torch is not installed, and there is no driver."""
    monkeypatch.setattr(torch_build, "installed_version_file", lambda: None)
    monkeypatch.setattr(torch_build, "has_nvidia_driver", lambda: False)
    return tmp_path / "constraints.txt"


def pair(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("torch")]


OWN = pair((torch_build.ROOT / "constraints.txt").read_text())
EVERYWHERE = pair((torch_build.ROOT / "constraints-models.txt").read_text())


@pytest.mark.usefixtures("no_index")
def test_without_a_driver_it_says_what_comes_and_what_else_there_is(
    constraints: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert torch_build.main([str(constraints)]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "no NVIDIA driver" in said.err
    assert "CPU=1" in said.err
    assert pair(constraints.read_text()) == OWN


def test_the_small_build_is_taken_from_its_index(
    index: str, constraints: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch_build.main(["--cpu", "--models", str(constraints)])
    said = capsys.readouterr()
    assert said.out == f"--extra-index-url {index}\n"
    assert "without CUDA" in said.err
    assert pair(constraints.read_text()) == OWN


def test_a_small_build_that_is_installed_is_kept(
    index: str,
    constraints: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    version = tmp_path / "version.py"
    version.write_text(CPU_FILE)
    monkeypatch.setattr(torch_build, "installed_version_file", lambda: version)
    torch_build.main(["--models", str(constraints)])
    said = capsys.readouterr()
    assert said.out == f"--extra-index-url {index}\n"
    assert "as installed" in said.err


@pytest.mark.usefixtures("index")
def test_a_large_build_of_the_wanted_version_stays_and_that_is_said(
    constraints: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "version.py"
    monkeypatch.setattr(torch_build, "installed_version_file", lambda: file)
    wanted = OWN[0].partition("==")[2]
    for version, flags, says in (
        (wanted, ["--cpu"], "with CUDA is installed, and stays"),
        (wanted, [], ""),
        ("2.0.0", ["--cpu"], "without CUDA"),
        ("2.0.0", [], "no NVIDIA driver"),
    ):
        file.write_text(CUDA_FILE.replace("2.14.1", version))
        torch_build.main([*flags, str(constraints)])
        said = capsys.readouterr().err
        assert says in said
        assert bool(says) == bool(said)


@pytest.mark.parametrize(("text", "is_told"), [(CPU_FILE, False), (CUDA_FILE, True)])
def test_a_run_with_cpu_says_that_another_build_stays(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    text: str,
    is_told: bool,
) -> None:
    file = tmp_path / "version.py"
    file.write_text(text)
    monkeypatch.setattr(torch_build, "installed_version_file", lambda: file)
    assert torch_build.main(["--cpu", "--installed"]) == 0
    told = capsys.readouterr()
    assert ("the build with CUDA is installed, and stays" in told.err) is is_told
    assert told.out == ""


def test_an_installation_needs_a_file_for_its_constraints() -> None:
    with pytest.raises(SystemExit):
        torch_build.main(["--cpu"])


@pytest.mark.usefixtures("no_index")
def test_an_index_that_cannot_be_reached_is_said_and_the_default_used(
    constraints: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch_build.main(["--cpu", "--models", str(constraints)])
    said = capsys.readouterr()
    assert said.out == ""
    assert "cannot be reached" in said.err
    assert pair(constraints.read_text()) == EVERYWHERE


@pytest.mark.parametrize(("text", "is_cpu"), [(CPU_FILE, True), (CUDA_FILE, False), ("", False)])
def test_the_build_is_read_from_torchs_own_file(tmp_path: Path, text: str, is_cpu: bool) -> None:
    version = tmp_path / "version.py"
    version.write_text(text)
    assert torch_build.is_cpu_build(version) is is_cpu


def test_the_file_of_the_torch_that_is_installed_here_says_what_it_says_itself() -> None:
    import torch

    version = torch_build.installed_version_file()
    assert version is not None
    assert torch_build.is_cpu_build(version) == (torch.version.cuda is None)

"""What a worker says of filters that cannot run, do not keep up, or have first to download something."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch

from inference_service.errors import Cause, DownloadError, FilterFailed, MissingPackage, WeightsError
from inference_service.filters import loader, trouble
from inference_service.filters.entry import Progress
from inference_service.filters.installed import BUILT_IN, installed
from inference_service.filters.loading import configured, load
from inference_service.filters.registry import Registry
from inference_service.filters.trouble import Code
from inference_service.weights.folder import WeightsFile, default_folder
from shared.wire import FilterState
from tests.inference_service.doubles import Point, Recorder, until

README = Path(__file__).parents[3] / "README.md"
CPU = torch.device("cpu")
CUDA = torch.device("cuda")
HOW = "pip install nowhere"
FILE = WeightsFile("model.pth", "http://127.0.0.1:9/model.pth", "md5:0a1b2c", "none", about_bytes=5_000_000)


class Lacking(Recorder):
    """Needs a package that nobody has, and weights."""

    name = "lacking"
    weights = (FILE,)

    def needed_packages(self):
        return {"no_such_package_here": HOW, "json": HOW}

    def load(self, device):
        raise AssertionError("loaded without its package")


class Heavy(Recorder):
    name = "heavy"
    weights = (FILE,)

    def needs_gpu(self):
        return True


class Downloads(Recorder):
    name = "downloads"
    weights = (FILE,)

    def load(self, device):
        self.weights_folder.get(FILE)


@pytest.fixture
def opened(tmp_path, monkeypatch):
    monkeypatch.setattr(loader, "LOOK_EVERY_S", 0.01)
    registries = []

    def make(*classes, load=()):
        points: Any = {cls.name: Point(cls.name, cls) for cls in classes}
        registry = Registry(points, CPU, {}, tmp_path, lambda one: None, lambda: None)
        registries.append(registry)
        registry.open(load)
        return registry

    yield make
    for registry in registries:
        registry.close()


def status(registry, name):
    return {one.name: one for one in registry.statuses()}.get(name)


def comes_to(registry, name, state, code=""):
    return until(
        lambda: (now := status(registry, name)) and (now.state, now.reason_code) == (state, code) and now
    )


def test_a_filter_without_its_package_has_failed_before_anybody_wants_it_and_fetches_nothing(opened):
    said = comes_to(opened(Lacking), "lacking", FilterState.FAILED, "needs_package")
    assert said.reason == "needs the package no_such_package_here"
    assert (said.reason_detail, said.remedy) == ("no_such_package_here", HOW)
    assert (said.size_bytes, said.has_weights) == (5_000_000, False)


def test_whoever_wants_such_a_filter_is_told_why(opened):
    registry = opened(Lacking, load=["lacking"])
    comes_to(registry, "lacking", FilterState.FAILED, "needs_package")
    with pytest.raises(FilterFailed, match="'lacking' needs the package no_such_package_here"):
        registry.chain(["lacking"])


def test_a_package_installed_meanwhile_asks_for_a_restart(opened, tmp_path, monkeypatch):
    registry = opened(Lacking)
    comes_to(registry, "lacking", FilterState.FAILED, "needs_package")
    (tmp_path / "no_such_package_here.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    said = comes_to(registry, "lacking", FilterState.FAILED, "needs_restart")
    assert "since its packages have been installed" in said.reason


def test_a_filter_that_needs_a_gpu_says_so_on_a_cpu_and_stays_usable(opened):
    registry = opened(Heavy)
    comes_to(registry, "heavy", FilterState.LOADABLE, "needs_gpu")
    until(lambda: not isinstance(registry.chain(["heavy"]), Progress))
    assert comes_to(registry, "heavy", FilterState.LOADED, "needs_gpu")


def test_weights_that_come_meanwhile_are_seen(opened, tmp_path):
    registry = opened(Downloads)
    said = comes_to(registry, "downloads", FilterState.LOADABLE, "needs_weights")
    assert said.reason == "downloads model.pth at its first use"
    assert said.remedy.endswith("python -m inference_service download downloads --weights-dir DIR")
    (tmp_path / FILE.name).touch()
    assert comes_to(registry, "downloads", FilterState.LOADABLE).has_weights


def test_weights_that_come_meanwhile_are_seen_where_a_gpu_is_needed_too(opened, tmp_path):
    registry = opened(Heavy)
    assert not comes_to(registry, "heavy", FilterState.LOADABLE, "needs_gpu").has_weights
    (tmp_path / FILE.name).touch()
    assert until(lambda: (now := status(registry, "heavy")).has_weights and now).reason_code == "needs_gpu"


def test_a_failed_download_says_why_and_is_tried_again_when_it_is_wanted_later(opened, monkeypatch):
    monkeypatch.setattr(loader, "TRY_AGAIN_AFTER_S", 0.05)
    registry = opened(Downloads)
    until(lambda: status(registry, "downloads"))
    registry.chain(["downloads"])
    said = comes_to(registry, "downloads", FilterState.FAILED, "download_failed")
    assert "127.0.0.1, model.pth: the connection failed" in said.reason
    assert (said.reason_cause, said.reason_detail) == ("connection", "127.0.0.1, model.pth")
    # Nobody wants it now, so nothing is tried, and nobody is kept from wanting it.
    again = comes_to(registry, "downloads", FilterState.LOADABLE, "download_failed")
    assert again.reason == said.reason
    assert isinstance(registry.chain(["downloads"]), Progress)
    assert comes_to(registry, "downloads", FilterState.FAILED, "download_failed")


def test_a_filter_that_found_no_memory_is_tried_again(opened, monkeypatch):
    monkeypatch.setattr(loader, "TRY_AGAIN_AFTER_S", 0.02)
    tries = []

    class Large(Recorder):
        name = "large"

        def load(self, device):
            tries.append(device)
            if len(tries) < 2:
                raise MemoryError

    registry = opened(Large)
    until(lambda: status(registry, "large"))
    registry.chain(["large"])
    comes_to(registry, "large", FilterState.LOADABLE, "out_of_memory")
    registry.chain(["large"])
    assert comes_to(registry, "large", FilterState.LOADED).reason == ""


@pytest.mark.parametrize(
    ("exc", "code", "text", "cause", "detail"),
    [
        (
            DownloadError(
                "/secret/path", public="example.org: 404", cause=Cause.REFUSED, subject="example.org, 404"
            ),
            Code.DOWNLOAD_FAILED,
            "example.org: 404",
            "refused",
            "example.org, 404",
        ),
        (WeightsError("/secret/path"), Code.BAD_WEIGHTS, "they do not fit", "unfit", ""),
        (
            MissingPackage("/secret", "torchvision", HOW, "it is old", Cause.MISFIT),
            Code.BAD_PACKAGE,
            "torchvision (it is",
            "misfit",
            "torchvision",
        ),
        (torch.cuda.OutOfMemoryError("/secret"), Code.OUT_OF_MEMORY, "did not fit", "", ""),
        (OSError("/secret/path"), Code.FAILED, "could not be loaded (OSError)", "", "OSError"),
    ],
)
def test_a_failure_is_told_without_what_its_text_may_hold(exc, code, text, cause, detail):
    told = trouble.after_failure("one", "could not be loaded", exc, Path("/secret"))
    assert (told.code, told.cause, told.detail) == (code, cause, detail)
    assert text in told.text
    assert "secret" not in told.text + told.detail + told.remedy


def test_packages_are_asked_for_before_a_filter_loads(tmp_path):
    with pytest.raises(MissingPackage, match="no_such_package_here: pip install nowhere"):
        load(Lacking, CPU, {}, tmp_path)


@pytest.mark.parametrize(
    ("program", "told"), [("{}/.venv/bin/python", ".venv/bin/python"), ("/usr/bin/python3", "python")]
)
def test_the_remedy_is_a_command_that_works_in_the_worker_s_folder(tmp_path, monkeypatch, program, told):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.executable", program.format(tmp_path))
    said = trouble.after_failure("one", "", DownloadError("", public="it broke"), default_folder())
    assert said.remedy == f"{told} -m inference_service download one"
    monkeypatch.chdir("/")
    said = trouble.after_failure("one", "", DownloadError(""), default_folder())
    assert said.remedy.startswith("python ")


def test_the_remedy_says_that_the_worker_has_a_folder_of_its_own_and_not_which(tmp_path):
    said = trouble.after_failure("one", "", DownloadError(""), tmp_path)
    assert said.remedy.endswith("download one --weights-dir DIR")


@pytest.mark.parametrize("name", ["densepose", "detection", "img2img", "segmentation"])
def test_what_helps_a_built_in_filter_without_its_packages_is_a_command(name, tmp_path, monkeypatch):
    made = configured(installed()[name].load(), {})
    monkeypatch.setattr(trouble, "_is_there", lambda package: False)
    told = trouble.before_loading(made, CPU, tmp_path)
    assert told is not None
    assert told.code is Code.NEEDS_PACKAGE
    assert told.remedy.startswith("make models")
    subprocess.run(["sh", "-n", "-c", told.remedy], check=True)


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_filters_say_how_much_they_download(name):
    made = configured(installed()[name].load(), {})
    assert (trouble.weights_size_bytes(made) > 1_000_000) == bool(made.needed_weights())


@pytest.mark.parametrize("name", ["detection", "densepose", "segmentation", "pose"])
def test_an_operator_s_own_file_is_no_download(name, tmp_path):
    made = configured(installed()[name].load(), {})
    if made.needed_weights():
        own = configured(type(made), {"weights": tmp_path / "own.pth"})
        assert own.needed_weights() == ()


def test_filters_that_the_readme_calls_too_slow_for_a_cpu_say_so():
    rows = re.findall(r"^\| `(\w+)`.*? \| .* \| (yes|no) \| .* \|$", README.read_text(), re.M)
    told = {name: needs for name, needs in rows if name in BUILT_IN}
    assert len(told) > 10
    assert told == {
        name: "yes" if configured(installed()[name].load(), {}).needs_gpu() else "no" for name in told
    }


@pytest.mark.parametrize("name", BUILT_IN)
def test_no_filter_is_called_too_slow_on_a_gpu(name):
    made = configured(installed()[name].load(), {})
    assert trouble.on_device(made, CUDA) is None
    assert (trouble.on_device(made, CPU) is not None) == made.needs_gpu()

from __future__ import annotations

import sys
import threading
from typing import Any

import pytest
import torch

from inference_service.device import context
from inference_service.errors import BadResult, FilterFailed, UnknownFilter, WeightsError
from inference_service.filters import base, loader
from inference_service.filters.entry import Entry, Progress
from inference_service.filters.installed import BUILT_IN, installed
from inference_service.filters.invert import Invert
from inference_service.filters.registry import Registry
from shared.wire import FilterState
from tests.inference_service.doubles import Point, Recorder, gated, until

CPU = torch.device("cpu")


@pytest.fixture
def opened(tmp_path):
    registries = []

    def make(points, load=(), warm=lambda one: None, settings=None, **told):
        registry = Registry(points, CPU, settings or {}, tmp_path, warm, lambda: changes.append(1), **told)
        registries.append(registry)
        registry.open(load)
        return registry

    changes = []
    yield make
    for registry in registries:
        registry.close()


def state(registry, name):
    return {s.name: s.state for s in registry.statuses()}.get(name)


def plugged(*classes):
    return {cls.name: Point(cls.name, cls) for cls in classes}


def loaded(registry, *names):
    return until(lambda: not isinstance(got := registry.chain(names), Progress) and got)


def test_built_in_filters_are_described_at_once_and_not_loaded(opened):
    registry = opened(installed())
    statuses = {s.name: s for s in registry.statuses()}
    assert set(BUILT_IN) <= set(statuses)
    assert statuses["invert"].state is FilterState.LOADABLE
    assert all(not statuses[name].schema["properties"] for name in ("invert", "passthrough"))
    assert not statuses["passthrough"].keeps_state


def test_for_tests_of_capacity_two_filters_can_be_slow(opened):
    statuses = {s.name: s for s in opened(installed(has_test_params=True)).statuses()}
    for name in ("invert", "passthrough"):
        assert statuses[name].schema["properties"]["busy_ms"]["maximum"] == 2000
    assert set(statuses) == {s.name for s in opened(installed()).statuses()}


def test_a_filter_asked_for_is_loaded_and_warmed_up(opened):
    warmed: list[base.Filter] = []
    registry = opened(installed(), ["invert"], warmed.append)
    until(lambda: state(registry, "invert") is FilterState.LOADED)
    (one,) = registry.chain(["invert"])
    assert isinstance(one, Invert)
    assert warmed == [one]
    assert registry.chain(["invert"]) == (one,)


def test_first_use_loads_without_making_anyone_wait(opened):
    slow = gated()
    registry = opened(plugged(slow, Recorder), ["recorder"])
    loaded(registry, "recorder")
    assert isinstance(registry.chain(["gated"]), Progress)
    assert slow.begun.wait(5)
    assert state(registry, "gated") is FilterState.LOADING
    assert registry.loading_since_ns is not None
    assert "loading gated" in registry.chain(["gated"]).text
    assert registry.chain(["recorder"])
    assert isinstance(registry.chain(["recorder", "gated"]), Progress)
    slow.go.set()
    assert len(loaded(registry, "recorder", "gated")) == 2
    until(lambda: registry.loading_since_ns is None)


def test_a_filter_is_loaded_once_however_often_it_is_asked_for(opened):
    slow, made = gated(), []

    class Once(slow):  # type: ignore[valid-type,misc]
        def load(self, device):
            made.append(device)
            super().load(device)

    registry = opened(plugged(Once, Recorder))
    registry.chain(["gated"])
    assert slow.begun.wait(5)
    for _ in range(5):
        registry.chain(["gated"])
    slow.go.set()
    # Filters are loaded in turn, so whatever was asked for before this one is done.
    loaded(registry, "recorder")
    assert made == [CPU]


def test_a_filter_whose_loading_is_stuck_is_given_up_and_others_are_loaded(opened, caplog):
    stuck, told = gated(), list[str]()
    registry = opened(plugged(stuck, Recorder), on_fallback=told.append)
    registry.chain(["gated"])
    assert stuck.begun.wait(60)
    registry.relieve(600)
    assert state(registry, "gated") is FilterState.LOADING
    left = next(one for one in threading.enumerate() if one.name == "loader")
    registry.relieve(0)
    (status,) = [one for one in registry.statuses() if one.name == "gated"]
    assert status.state is FilterState.FAILED
    assert status.reason == "could not be loaded: nothing was heard of it for 0 s"
    assert status.remedy
    assert told == ["loading"]
    assert caplog.text.count("could not be loaded") == 1
    with pytest.raises(FilterFailed, match="nothing was heard"):
        registry.chain(["gated"])
    loaded(registry, "recorder")
    until(lambda: registry.loading_since_ns is None)
    # What the thread that was stuck does later is not heeded.
    stuck.go.set()
    left.join(60)
    assert not left.is_alive()
    assert state(registry, "gated") is FilterState.FAILED
    with pytest.raises(FilterFailed):
        registry.chain(["gated"])
    assert registry.chain(["recorder"])


@pytest.mark.parametrize("is_broken", [False, True])
def test_a_gpu_that_breaks_while_a_filter_is_loaded_is_told(opened, monkeypatch, is_broken):
    monkeypatch.setattr(context, "is_broken", lambda device, exc: is_broken)
    told: list[bool] = []

    class Breaks(Recorder):
        def load(self, device):
            raise RuntimeError("CUDA error: an illegal memory access was encountered")

    registry = opened(plugged(Breaks), ["recorder"], on_broken=lambda: told.append(True))
    until(lambda: state(registry, "recorder") is FilterState.FAILED)
    until(lambda: registry.loading_since_ns is None)
    assert told == [True] * is_broken


def test_a_filter_is_given_its_settings_and_the_folder_of_weights(opened, tmp_path):
    class Choosy(Recorder):
        name = "choosy"

        class Settings(base.Settings):
            size: int = 1

    registry = opened(plugged(Choosy, Recorder), ["choosy", "recorder"], settings={"choosy": {"size": 7}})
    choosy, recorder = loaded(registry, "choosy", "recorder")
    assert choosy.settings == Choosy.Settings(size=7)
    assert recorder.settings == base.Settings()
    assert choosy.weights_folder.path == tmp_path


def test_settings_that_a_filter_refuses_make_its_loading_fail(opened):
    registry = opened(plugged(Recorder), ["recorder"], settings={"recorder": {"nope": 1}})
    until(lambda: state(registry, "recorder") is FilterState.FAILED)


def test_the_progress_of_a_download_is_shown_while_it_lasts(opened):
    slow = gated()

    class Downloads(slow):  # type: ignore[valid-type,misc]
        def load(self, device):
            self.weights_folder.on_progress("downloading big.pkl", 0.5)
            super().load(device)

    registry = opened(plugged(Downloads), ["gated"])
    assert slow.begun.wait(5)
    progress = registry.chain(["gated"])
    assert progress.text == "downloading big.pkl"
    assert 0.3 < progress.fraction < 0.8
    slow.go.set()


def test_a_filter_without_its_weights_is_tried_again(opened, monkeypatch):
    monkeypatch.setattr(loader, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(loader, "TRY_AGAIN_AFTER_S", 0.02)
    tries = []

    class Lacking(Recorder):
        name = "lacking"

        def load(self, device):
            tries.append(device)
            if len(tries) < 3:
                raise WeightsError("no network")

    registry = opened(plugged(Lacking), ["lacking"])
    until(lambda: state(registry, "lacking") is FilterState.LOADED)
    assert registry.chain(["lacking"])
    assert len(tries) == 3


def test_a_filter_that_failed_otherwise_is_not_tried_again(opened, monkeypatch):
    monkeypatch.setattr(loader, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(loader, "TRY_AGAIN_AFTER_S", 0.02)
    tries = []

    class Broken(Recorder):
        name = "broken"

        def load(self, device):
            tries.append(device)
            raise SystemExit

    registry = opened(plugged(Broken, Recorder), ["broken"])
    until(lambda: state(registry, "broken") is FilterState.FAILED)
    # The thread lives, and has had time for more tries when it has loaded another one twice as late.
    loaded(registry, "recorder")
    assert tries == [CPU]


def test_an_unknown_filter_is_named(opened):
    with pytest.raises(UnknownFilter, match="'nope'"):
        opened(installed()).chain(["invert", "nope"])


class Misnamed(Recorder):
    name = "other"


class NoSuchParameter(Recorder):
    name = "broken"
    equal_params = frozenset({"nope"})


class Untitled(Recorder):
    name = "broken"
    title = None  # type: ignore[assignment]


class Abstract(base.Filter):
    name = "broken"
    title = "No apply"


class Refuses(Recorder):
    name = "broken"

    def load(self, device):
        raise OSError("/secret/path")


class Enormous(Recorder):
    name = "broken"
    title = "x" * 257


@pytest.mark.parametrize(
    "cls",
    [
        ImportError("no such module"),
        "not a class",
        int,
        Misnamed,
        NoSuchParameter,
        Untitled,
        Abstract,
        Refuses,
        Enormous,
    ],
)
def test_a_broken_plug_in_is_reported_as_failed_and_hurts_no_other(opened, cls):
    registry = opened({"broken": Point("broken", cls), **plugged(Recorder)}, ["broken", "recorder"])
    until(lambda: state(registry, "broken") is FilterState.FAILED)
    loaded(registry, "recorder")
    with pytest.raises(FilterFailed) as raised:
        registry.chain(["recorder", "broken"])
    assert "could not be" in str(raised.value)
    assert "secret" not in str(raised.value)
    (status,) = (s for s in registry.statuses() if s.name == "broken")
    assert "could not be" in status.reason
    assert (status.reason_code, status.remedy) == ("failed", "see the worker's log")
    assert "secret" not in status.reason + status.description


def test_a_filter_that_fails_while_warming_up_has_failed(opened):
    def warm(one):
        raise ZeroDivisionError

    registry = opened(plugged(Recorder), ["recorder"], warm)
    until(lambda: state(registry, "recorder") is FilterState.FAILED)


def test_plug_ins_are_described_without_being_loaded(opened):
    slow = gated()
    registry = opened(plugged(slow))
    until(lambda: state(registry, "gated") is FilterState.LOADABLE)
    assert not slow.begun.is_set()


def test_plug_ins_are_found_by_their_entry_points(tmp_path, monkeypatch):
    (tmp_path / "sepia_filter.py").write_text(
        "from inference_service.filters.base import Filter\n"
        "class Sepia(Filter):\n"
        "    name = 'sepia'\n"
        "    title = 'Sepia'\n"
        "    def apply(self, batch, items):\n"
        "        return batch\n"
    )
    info = tmp_path / "sepia-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sepia\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[p2pcamera.filters]\nsepia = sepia_filter:Sepia\ninvert = sepia_filter:Sepia\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    found = installed()
    assert found["sepia"].value == "sepia_filter:Sepia"
    assert found["invert"].value == BUILT_IN["invert"]
    assert "sepia_filter" not in sys.modules
    try:
        assert found["sepia"].load().title == "Sepia"
    finally:
        sys.modules.pop("sepia_filter", None)


def test_a_name_that_two_packages_give_is_told_with_both(tmp_path, monkeypatch, caplog):
    for package in ("zebra", "aardvark"):
        info = tmp_path / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(
            f"[p2pcamera.filters]\nstripes = {package}:F\nink = {package}:F\n"
        )
    monkeypatch.syspath_prepend(str(tmp_path))
    found = installed()
    assert found["stripes"].value == "aardvark:F"
    taken = "filter {0} of the package {1} ({1}:F) is left out: the package {2} has one of this name".format
    assert [record.getMessage() for record in caplog.records] == [
        taken("ink", "aardvark", "p2pcamera"),
        taken("ink", "zebra", "p2pcamera"),
        taken("stripes", "zebra", "aardvark"),
    ]


def test_a_filter_s_mistake_is_told_by_its_name_and_to_pages(opened, caplog):
    class Wordless(Recorder):
        name, title, description, equal_params = "wordless", "Wordless", "", None

        class Params(base.Params):
            strength: float = 1.0

    class Small(Recorder):
        name, title = "small", "Small"

    def warm(one):
        if one.name == "small":
            raise BadResult("small", "returned floats from 0 to 1, expected 0 to 255: multiply by 255")

    registry = opened(plugged(Small, Wordless), ["small", "wordless"], warm)
    loaded(registry, "wordless")
    (small,) = (s for s in registry.statuses() if s.name == "small")
    assert small.reason == (
        "could not be loaded: returned floats from 0 to 1, expected 0 to 255: multiply by 255"
    )
    told = [record.getMessage() for record in caplog.records if "wordless" in record.getMessage()]
    assert told[:2] == [
        "filter wordless has no description, which pages show beside the title",
        "filter wordless has no title and no description for the parameter strength: Field(..., title=...)",
    ]


def test_whoever_sees_that_a_filter_has_failed_hears_why(opened, monkeypatch):
    class Misnamed(base.Filter):
        title = "Misnamed"

        def apply(self, batch, items):
            return batch

    looks: list[FilterFailed] = []
    has_weights = loader.Loader._has_weights

    def looking(self, entry):
        # In the middle of `_fail`, where a frame may ask too.
        if entry.has_failed:
            with pytest.raises(FilterFailed, match="could not be imported") as caught:
                registry.chain([entry.point.name])
            looks.append(caught.value)
        return has_weights(self, entry)

    monkeypatch.setattr(loader.Loader, "_has_weights", looking)
    registry = opened({})
    point: Any = Point("misnamed", Misnamed)
    registry._entries["misnamed"] = entry = Entry(point)
    assert registry._loader.describe(entry) is None
    assert looks


def test_what_a_filter_lacks_later_is_told_within_some_seconds(opened, monkeypatch):
    monkeypatch.setattr(loader, "LOOK_EVERY_S", 0.02)
    kinds: list[str] = []
    registry = opened(plugged(Recorder), ["recorder"], on_fallback=kinds.append)
    (made,) = loaded(registry, "recorder")
    made.fallbacks.append(base.Fallback("runtime", "lacks runtime"))
    until(lambda: kinds == ["runtime"])
    made.fallbacks.append(base.Fallback("memory", "lacks memory"))
    until(lambda: kinds == ["runtime", "memory"])
    until(lambda: registry.statuses()[0].reason == "lacks runtime; lacks memory")
    (status,) = registry.statuses()
    assert (status.state, status.reason_code) == (FilterState.LOADED, "reduced")
    assert kinds == ["runtime", "memory"]

from __future__ import annotations

import pytest
import torch

from inference_service.errors import FilterFailed
from inference_service.filters import base, renewal
from inference_service.filters.entry import Progress
from inference_service.filters.registry import Registry
from shared.wire import FilterState
from tests.inference_service.doubles import Point, Recorder, gated, until


class Edited(Point):
    """An entry point whose class is the last one that was saved."""

    def save(self, cls):
        self._cls = cls


def version(number, parent=Recorder):
    class Version(parent):  # type: ignore[misc,valid-type]
        name, title = "edited", f"Version {number}"
        unloaded = 0

        def unload(self):
            type(self).unloaded += 1

    return Version


@pytest.fixture
def point():
    return Edited("edited", version(1))


@pytest.fixture
def gone():
    return []


@pytest.fixture
def registry(tmp_path, point, gone):
    made = Registry(
        {"edited": point},
        torch.device("cpu"),
        {},
        tmp_path,
        lambda one: None,
        lambda: None,
        on_let_go=gone.append,
        explain=lambda exc: f"{type(exc).__name__}: {exc}",
    )
    made.open(["edited"])
    until(lambda: not isinstance(made.chain(["edited"]), Progress))
    yield made
    made.close()


def title(registry):
    found = registry.chain(["edited"])
    return found[0].title if isinstance(found, tuple) else found


def test_a_filter_that_is_saved_serves_until_the_new_one_is_loaded(registry, point, gone):
    slow = gated()
    point.save(version(2, slow))
    forgotten = []
    registry.renew(lambda: forgotten.append(True))
    assert slow.begun.wait(5)
    assert forgotten == [True]
    assert title(registry) == "Version 1"
    slow.go.set()
    until(lambda: title(registry) == "Version 2")
    until(lambda: gone == ["edited"])
    (status,) = registry.statuses()
    assert (status.title, status.state) == ("Version 2", FilterState.LOADED)


@pytest.mark.parametrize("fault", [SyntaxError("invalid syntax"), "in load"])
def test_one_that_cannot_be_loaded_is_told_and_shows_nothing_of_the_old_one(registry, point, fault):
    class Refuses(Recorder):
        name, title = "edited", "Refuses"

        def load(self, device):
            raise ValueError("in load")

    point.save(Refuses if fault == "in load" else fault)
    registry.renew(lambda: None)
    until(lambda: registry.statuses()[0].state is FilterState.FAILED)
    with pytest.raises(FilterFailed, match="Error: in"):
        registry.chain(["edited"])
    assert "Error: in" in registry.statuses()[0].reason
    point.save(version(3))
    registry.renew(lambda: None)
    until(lambda: registry.statuses()[0].state is FilterState.LOADED)
    assert title(registry) == "Version 3"


def test_the_old_one_is_unloaded_when_no_batch_can_use_it_any_more(registry, point, monkeypatch):
    monkeypatch.setattr(renewal, "UNLOADED_AFTER_S", 0.0)
    versions = [version(number) for number in (2, 3, 4)]
    for each in versions:
        point.save(each)
        registry.renew(lambda: None)
        until(lambda: title(registry) == point.load().title)
    # Each at the next renewal, which is far behind in time.
    until(lambda: versions[0].unloaded == 1)
    assert [each.unloaded for each in versions[1:]] == [0, 0]


def test_parameters_are_checked_by_the_new_model():
    from inference_service.engine.params import CheckedParams

    class Before(Recorder):
        class Params(base.Params):
            size: int = 1

        equal_params = None

    class After(Recorder):
        class Params(base.Params):
            size: str = "one"

        equal_params = None

    checked = CheckedParams()
    (before,) = checked.check([Before()], bytes(16), {}).models
    (after,) = checked.check([After()], bytes(16), {}).models
    assert (before, after) == (Before.Params(), After.Params())

from __future__ import annotations

import re
import sys
import types
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import torch

from inference_service.filters.base import Filter, Item
from inference_service.filters.entry import Progress
from inference_service.filters.installed import BUILT_IN
from inference_service.filters.registry import Registry
from tests.inference_service.doubles import until

README = Path(__file__).parent.parent / "README.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(), re.DOTALL)


def test_the_filter_in_ten_lines_is_a_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    (source,) = blocks("python")
    (entry,) = re.findall(r'^(\w+) = "(.*)"$', blocks("toml")[0], re.MULTILINE)
    module = types.ModuleType("my_filters")
    monkeypatch.setitem(sys.modules, "my_filters", module)
    exec(compile(source, "my_filters.py", "exec"), module.__dict__)
    point = EntryPoint(entry[0], entry[1], "p2pcamera.filters")
    registry = Registry({point.name: point}, torch.device("cpu"), {}, Path("/nowhere"), _warm, lambda: None)
    registry.open([point.name])
    try:
        (made,) = until(lambda: not isinstance(got := registry.chain([point.name]), Progress) and got)
    finally:
        registry.close()
    batch = torch.arange(0, 256, dtype=torch.uint8).reshape(1, 1, 16, 16).expand(1, 3, 16, 16)
    items = [Item(session=bytes(16), sequence=0, params=made.Params.model_validate({"levels": 2}))]
    result = made.apply(batch, items)
    assert result.unique().tolist() == [64, 192]
    assert torch.equal(result[0, 0] == 192, batch[0, 0] >= 128)


def _warm(one: Filter) -> None:
    batch = torch.full((1, 3, 48, 64), 128, dtype=torch.uint8)
    one.apply(batch, [Item(session=bytes(16), sequence=0, params=one.Params())])


def test_every_built_in_filter_is_named() -> None:
    rows = re.findall(r"^\| (.*?) \|", README.read_text(), re.MULTILINE)
    named = {name for cell in rows for name in re.findall(r"`(\w+)`", cell)}
    assert set(BUILT_IN) <= named

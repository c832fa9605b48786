"""What the shim and the services both know by heart is the same."""

from __future__ import annotations

import json
import re
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from inference_service.filters import registry
from signaling_service.media.bitrate import default_bitrate

SHIM = Path(__file__).parents[2] / "static" / "shim"
BITRATES = json.loads((Path(__file__).parent / "bitrates.json").read_text())


@pytest.mark.parametrize("row", BITRATES, ids=lambda row: f"{row['width']}x{row['height']}")
def test_service_gives_a_size_the_bits_that_the_shim_does(row: dict[str, int]) -> None:
    assert default_bitrate(row["width"], row["height"]) == row["bits_per_s"]


def test_shim_knows_every_private_filter_of_the_project() -> None:
    written = re.search(
        r"PRIVATE_FILTERS = Object\.freeze\((\[.*\])\)", (SHIM / "session" / "private_filters.js").read_text()
    )
    assert written
    classes = {
        name: EntryPoint(name, value, registry.GROUP).load() for name, value in registry.BUILT_IN.items()
    }
    assert set(json.loads(written[1])) == {name for name, cls in classes.items() if cls.is_private}

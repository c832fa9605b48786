"""What the shim and the services both know by heart is the same."""

from __future__ import annotations

import json
import re
import subprocess
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from inference_service.filters.installed import BUILT_IN, GROUP
from signaling_service.media.bitrate import default_bitrate
from tests.shim.test_node import node

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
    classes = {name: EntryPoint(name, value, GROUP).load() for name, value in BUILT_IN.items()}
    assert set(json.loads(written[1])) == {name for name, cls in classes.items() if cls.is_private}


_AT_DEFAULTS = """
const { kindOf, limits, problemOf, resolved, stepOf } = await import(process.argv[1]);
const off = [];
for (const [filter, root] of Object.entries(JSON.parse(process.argv[2]))) {
  for (const [name, declared] of Object.entries(root.properties ?? {})) {
    const schema = resolved(declared, root);
    const steps = (schema.default - (limits(schema).least ?? 0)) / stepOf(schema);
    const isBetween = kindOf(schema) === "range" && Math.abs(steps - Math.round(steps)) > 1e-6;
    if (isBetween || problemOf(schema.default ?? "", schema)) off.push(`${filter}.${name}`);
  }
}
console.log(JSON.stringify(off));
"""


def test_controls_of_pages_can_stand_at_every_filter_s_defaults() -> None:
    schemas = {
        name: EntryPoint(name, value, GROUP).load().Params.model_json_schema()
        for name, value in BUILT_IN.items()
    }
    module = (SHIM.parent / "shared" / "schema.js").as_uri()
    given = [node(), "--input-type=module", "-e", _AT_DEFAULTS, module, json.dumps(schemas)]
    ran = subprocess.run(given, capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(ran.stdout) == []

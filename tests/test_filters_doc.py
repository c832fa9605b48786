"""docs/filters.md says what is true: its code runs, its commands are there."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import subprocess
import sys
import types
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from packaging.requirements import Requirement
from safetensors.torch import save

from harness.browser import served
from inference_service import commands
from inference_service.config import read_settings
from inference_service.engine.health import Health
from inference_service.engine.pipeline import Pipeline
from inference_service.errors import FilterFailed
from inference_service.filters import base
from inference_service.filters.base import Filter, Item
from inference_service.metrics import Metrics
from inference_service.weights.folder import WeightsFolder
from tests.inference_service.file_server import serving

ROOT = Path(__file__).parent.parent
DOCUMENT = ROOT / "docs" / "filters.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)


COMMANDS = re.findall(r"python -m inference_service (.+)", "".join(blocks("sh")))


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> dict[str, types.ModuleType]:
    """Return every Python block as the module that its first line names."""
    made = {}
    for source in blocks("python"):
        name = re.match(r"# (\w+)\.py\b", source)[1]  # type: ignore[index]
        made[name] = types.ModuleType(name)
        monkeypatch.setitem(sys.modules, name, made[name])
        exec(compile(source, f"{name}.py", "exec"), made[name].__dict__)
    return made


@pytest.fixture
def filters(
    modules: dict[str, types.ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, Filter]]:
    """Return an instance of each filter, loaded; the weights come from a server of this test."""
    content = save({"weight": torch.eye(3)[:, :, None, None] / 2, "bias": torch.zeros(3)})
    with serving(content) as served:
        recolour: Any = modules["recolour"]
        sha256 = hashlib.sha256(content).hexdigest()
        monkeypatch.setattr(
            recolour, "WEIGHTS", replace(recolour.WEIGHTS, url=served.url, sum_prefix=f"sha256:{sha256[:8]}")
        )
        made = {}
        for module in modules.values():
            for cls in vars(module).values():
                if isinstance(cls, type) and issubclass(cls, Filter) and cls.__module__ == module.__name__:
                    made[cls.name] = cls()
                    made[cls.name].weights_folder = WeightsFolder(tmp_path)
                    made[cls.name].load(torch.device("cpu"))
        yield made


def shown(one: Filter, batch: torch.Tensor, *, state: dict[str, Any] | None = None, **params: Any) -> Any:
    items = [Item(bytes(16), 0, one.Params(**params), {} if state is None else state) for _ in batch]
    with torch.inference_mode():
        return one.apply(batch.clone(), items)


def noise(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_every_filter_passes_a_worker_s_warming_up(filters: dict[str, Filter]) -> None:
    pipeline = Pipeline(torch.device("cpu"), "test", Metrics(), Health(lambda: None))
    assert set(filters) == {
        "mirror", "duotone", "exposure", "curtain", "pixels", "recolour", "grey", "portrait", "brightness"
    }  # fmt: skip
    for one in filters.values():
        pipeline.warm(one)


def test_mirror_swaps_left_and_right(filters: dict[str, Filter]) -> None:
    batch = noise(2, 3, 48, 64)
    result = shown(filters["mirror"], batch)
    assert torch.equal(result[..., 0], batch[..., -1])
    assert result.dtype == torch.uint8


def test_duotone_keeps_the_chosen_colour(filters: dict[str, Filter]) -> None:
    batch = noise(2, 3, 48, 64)
    grey = batch.float().mean(dim=1)
    result = shown(filters["duotone"], batch, colour="green")
    torch.testing.assert_close(result, torch.stack((grey / 4, grey, grey / 4), dim=1))
    negative = shown(filters["duotone"], batch, colour="red", is_negative=True)
    torch.testing.assert_close(negative[:, 0], 255 - grey)
    torch.testing.assert_close(shown(filters["duotone"], batch, strength=0), batch.float())


def test_curtain_is_private_and_shows_nothing(filters: dict[str, Filter]) -> None:
    assert filters["curtain"].is_private
    assert set(shown(filters["curtain"], noise(2, 3, 48, 64)).flatten().tolist()) == {64}


def test_exposure_makes_a_picture_of_several_frames(filters: dict[str, Filter]) -> None:
    state: dict[str, Any] = {}
    dark, light = torch.zeros(1, 3, 48, 64, dtype=torch.uint8), torch.full((1, 3, 48, 64), 200)
    levels = [
        shown(filters["exposure"], batch, state=state, frames=4).unique().tolist()
        for batch in (dark, light, light)
    ]
    assert levels == [[0], [50], [87.5]]


def test_exposure_keeps_as_much_as_the_text_says(filters: dict[str, Filter]) -> None:
    state: dict[str, Any] = {}
    shown(filters["exposure"], noise(2, 3, 480, 640), state=state)
    kept_bytes = state["mean"].untyped_storage().nbytes()
    assert f"{kept_bytes / 2**20:.1f} MiB each, {512 * kept_bytes / 2**30:.1f} GiB in all" in " ".join(
        DOCUMENT.read_text().split()
    )


def test_pixels_are_as_large_as_the_operator_says(filters: dict[str, Filter]) -> None:
    one = filters["pixels"]
    one.settings = one.Settings.model_validate({"side": 8})
    batch = noise(1, 3, 44, 64)
    result = shown(one, batch)
    assert result.shape == batch.shape
    assert (result[..., 8:16, 16:24] == batch[..., 8:16, 16:24].float().mean((2, 3), keepdim=True)).all()


def test_recolour_draws_with_the_weights_that_it_downloaded(filters: dict[str, Filter]) -> None:
    batch = noise(2, 3, 48, 64)
    torch.testing.assert_close(shown(filters["recolour"], batch), batch.float() / 2)


def test_grey_takes_the_colour_from_i420(filters: dict[str, Filter]) -> None:
    batch = noise(2, 72, 64)
    result = shown(filters["grey"], batch)
    assert torch.equal(result[:, :48], batch[:, :48])
    assert result[:, 48:].unique().tolist() == [128]


def test_portrait_tells_the_session_what_it_takes(filters: dict[str, Filter]) -> None:
    with pytest.raises(FilterFailed, match="up to 1280 wide, not 1284x16"):
        shown(filters["portrait"], noise(1, 3, 16, 1284))


def test_its_tests_pass_and_can_fail(modules: dict[str, Any]) -> None:
    modules["test_exposure"].test_batched_equals_single()
    broken = type("Broken", (modules["exposure"].Exposure,), {"apply": _mixes_pictures})
    modules["test_exposure"].Exposure = broken
    with pytest.raises(AssertionError):
        modules["test_exposure"].test_batched_equals_single()


def test_brightness_tells_what_it_measured(filters: dict[str, Filter]) -> None:
    batch = torch.stack([torch.full((3, 48, 64), level, dtype=torch.uint8) for level in (20, 200)])
    assert isinstance(shown(filters["brightness"], batch), torch.Tensor)
    items = [Item(bytes(16), 0, base.Params(), wants_data=True) for _ in batch]
    filtered = filters["brightness"].apply(batch, items)
    assert isinstance(filtered, base.Filtered)
    assert isinstance(filtered.data, base.Later)
    told = [filtered.data.read(row.numpy()) for row in filtered.data.rows]
    assert [one.numbers["brightness"] for one in told if one] == [20, 200]
    assert [one.labels[0].label for one in told if one] == ["dark", "light"]


@pytest.mark.slow
def test_a_filter_is_published_by_its_commands(tmp_path: Path) -> None:
    (local,) = [block for block in blocks("sh") if block.startswith("# publish\n")]
    (remote,) = [block for block in blocks("sh") if block.startswith("# publish-by-http\n")]
    environ = {
        **os.environ,
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
        # No index is asked. What the wheels need is here already, and what is installed goes into a folder.
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "false",
        "PIP_NO_DEPS": "1",
        "PIP_TARGET": str(tmp_path / "site"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PYTHONPATH": str(ROOT),
    }

    def run(commands: str, site: Path) -> str:
        environment = environ | {"PIP_TARGET": str(site), "PYTHONPATH": f"{ROOT}{os.pathsep}{site}"}
        done = subprocess.run(
            ["sh", "-ec", commands],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=110,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    said = run(local.replace("path/to/p2pcamera", str(ROOT)), tmp_path / "site")
    assert "soft-focus     Soft focus" in said
    wheels = sorted(path.name for path in (tmp_path / "wheels").iterdir())
    assert wheels == ["p2pcamera-0.1.0-py3-none-any.whl", "p2pcamera_soft_focus-0.1.0-py3-none-any.whl"]
    with zipfile.ZipFile(tmp_path / "wheels" / wheels[1]) as wheel:
        needed = wheel.read("p2pcamera_soft_focus-0.1.0.dist-info/METADATA").decode()
    (needs,) = [
        Requirement(line[15:]) for line in needed.splitlines() if line.startswith("Requires-Dist: p2p")
    ]
    assert "0.1.0" in needs.specifier
    assert "0.2.0" not in needs.specifier
    with zipfile.ZipFile(tmp_path / "wheels" / wheels[0]) as wheel:
        assert "inference_service/commands/template/filter.py.txt" in wheel.namelist()

    with served(tmp_path / "wheels") as url:
        run(remote.replace("https://wheels.example.org/", f"{url}/"), tmp_path / "by-http")
    assert (tmp_path / "by-http" / "p2pcamera_soft_focus.py").is_file()


@pytest.mark.parametrize("command", COMMANDS)
def test_its_commands_are_there_with_their_flags(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = shlex.split(command, comments=True)
    if words[0].startswith("--"):
        assert read_settings(words).filter_settings
        return
    with pytest.raises(SystemExit) as raised:
        commands.main([words[0], "--help"])
    assert raised.value.code == 0
    helped = capsys.readouterr().out
    assert [word for word in words if word.startswith("--") and word not in helped] == []


def _mixes_pictures(self: Filter, batch: torch.Tensor, items: Any) -> torch.Tensor:
    return batch.float() - batch.float().mean()

"""What the filter consists of besides its networks.

Nothing here needs diffusers: that all of it runs where there is none shows that a worker can list the filter.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from inference_service.errors import MissingPackage, WeightsError
from inference_service.filters.base import Item
from inference_service.filters.img2img import Img2Img, steady
from inference_service.filters.img2img.files import MODELS
from inference_service.filters.img2img.networks import guidance_embedding
from inference_service.filters.img2img.noise import Noise
from inference_service.filters.img2img.prompts import Prompts
from inference_service.filters.img2img.size import MULTIPLE, working_size
from inference_service.filters.loading import load

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        ((512, 512), (512, 512)),
        ((640, 480), (576, 448)),
        ((480, 640), (448, 576)),
        ((1280, 720), (704, 384)),
        ((320, 240), (576, 448)),
    ],
)
def test_working_size_of_cameras(picture: tuple[int, int], expected: tuple[int, int]) -> None:
    assert working_size(*picture, 512) == expected


@pytest.mark.parametrize("side", [128, 256, 512, 768, 1024])
def test_working_size_keeps_area_and_aspect(side: int) -> None:
    for width, height in ((640, 480), (1280, 720), (720, 1280), (1920, 1080), (352, 288), (2, 2)):
        across, down = working_size(width, height, side)
        assert across % MULTIPLE == down % MULTIPLE == 0
        change = abs(math.log(across / down / (width / height)))
        # On a coarse grid small sides cannot do better.
        assert change < (0.06 if side >= 512 else 0.3)
        assert 0.6 < across * down / side**2 < 1.6


def test_working_size_of_a_strip_is_a_size() -> None:
    across, down = working_size(4096, 16, 512)
    assert down == MULTIPLE
    assert across >= MULTIPLE


def test_noise_is_the_seeds_alone_and_differs_by_seed_and_step() -> None:
    noise, again = Noise(CPU).get(7, 8, 6), Noise(CPU).get(7, 8, 6)
    assert torch.equal(noise, again)
    assert noise.shape == (4, 4, 8, 6)
    assert abs(float(noise.std()) - 1) < 0.1
    assert not torch.equal(noise[0], noise[1])
    assert not torch.equal(noise, Noise(CPU).get(8, 8, 6))


def test_noise_is_kept_for_so_many_seeds_and_no_more() -> None:
    noise = Noise(CPU, kept=3)
    first = noise.get(0, 8, 8)
    for seed in (1, 2):
        noise.get(seed, 8, 8)
    assert noise.get(0, 8, 8) is first
    second = noise.get(1, 8, 8)
    noise.get(3, 8, 8)
    assert len(noise) == 3
    assert noise.get(1, 8, 8) is second
    assert noise.get(0, 8, 8) is first


class _Counting:
    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def __call__(self, texts: list[str]) -> torch.Tensor:
        self.asked.append(texts)
        return torch.tensor([[[float(len(text))]] for text in texts])


def test_prompts_are_encoded_once_each_and_together() -> None:
    encode = _Counting()
    prompts = Prompts(encode)
    assert prompts.get(["a", "bbb", "a"]).flatten().tolist() == [1, 3, 1]
    assert prompts.get(["bbb", "cc"]).flatten().tolist() == [3, 2]
    assert encode.asked == [["a", "bbb"], ["cc"]]


def test_prompts_are_bounded_and_the_least_used_go_first() -> None:
    encode = _Counting()
    prompts = Prompts(encode, kept=2)
    prompts.get(["a", "bb"])
    prompts.get(["a"])
    prompts.get(["ccc"])
    prompts.get(["a"])
    assert encode.asked == [["a", "bb"], ["ccc"]]
    assert prompts.get(["a", "bb", "ccc", "dddd"]).flatten().tolist() == [1, 2, 3, 4]
    assert len(prompts) == 2


def test_guidance_is_told_in_waves() -> None:
    told = guidance_embedding(torch.tensor([1.0, 8.0]), 256)
    assert told.shape == (2, 256)
    assert torch.equal(told[0, :128], torch.zeros(128))
    assert torch.equal(told[0, 128:], torch.ones(128))
    assert float(told[1, 0]) == pytest.approx(math.sin(7000), abs=1e-3)
    assert float(told[1, 255]) == pytest.approx(math.cos(0.7), abs=1e-3)


def session(sequence: int, state: dict[str, Any], steadiness: float = 0.5) -> Item:
    return Item(bytes(16), sequence, Img2Img.Params(steadiness=steadiness), state)


def test_last_painting_fades_by_the_camera_s_frames_and_is_forgotten_after_half_a_second() -> None:
    state = {"painted": torch.zeros(3, 8, 8), "sequence": 10}
    ages = {sequence: steady.shares([session(sequence, state)])[0] for sequence in (11, 13, 25, 26, 5)}
    assert ages == {11: 0.5, 13: 0.125, 25: 0.5**15, 26: 0.0, 5: 0.5}
    assert steady.shares([session(11, {})]) == [0.0]


def test_what_moves_is_new_and_what_stands_still_is_the_last_painting() -> None:
    camera = torch.full((2, 3, 64, 64), 100.0)
    items = [session(0, {}), session(0, {})]
    steady.Memory.of(items, camera).keep(items, torch.full_like(camera, 10.0))
    moved = camera.clone()
    moved[0, :, :32] += 50
    moved[1] += 1
    memory = steady.Memory.of(items, moved)
    blended = memory.blended(torch.full_like(camera, 90.0), torch.full((2, 1, 1, 1), 0.75))
    assert (blended[0, :, :32] == 90).all()
    assert (blended[0, :, 48:] == 30).all()
    assert (blended[1] == 30).all()


def test_stillness_has_no_edge_between_noise_and_motion() -> None:
    change = torch.linspace(0, 12, 49)
    cells = change[None, None, None].expand(1, 3, 1, -1)
    found = torch.cat([steady.stillness(cells[..., n : n + 1], torch.zeros(1, 3, 1, 1)) for n in range(49)])
    still = found.flatten()
    assert (still[change <= steady.STILL_LEVELS] == 1).all()
    assert (still[change >= steady.MOVING_LEVELS] == 0).all()
    assert (still.diff() <= 0).all()
    assert float(still.diff().abs().max()) < 0.08


def test_what_is_kept_is_small_bytes_of_its_own() -> None:
    camera = torch.rand(4, 3, 64, 128) * 255
    items = [session(n, {}) for n in range(4)]
    steady.Memory.of(items, camera).keep(items, camera)
    kept = items[2].state["painted"]
    assert kept.dtype == torch.uint8
    assert kept.untyped_storage().nbytes() == 3 * 64 * 128
    assert items[2].state["cells"].untyped_storage().nbytes() == 3 * 8 * 16 * 4
    assert items[2].state["sequence"] == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("prompt", "x" * 401),
        ("negative_prompt", "x" * 401),
        ("strength", 0.05),
        ("strength", 1.01),
        ("steps", 5),
        ("steps", 0),
        ("seed", -1),
        ("guidance", 0.5),
        ("steadiness", 1.0),
        ("mix", 2),
        ("style", "oil"),
    ],
)
def test_wrong_value_is_refused_by_its_field(name: str, value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        Img2Img.Params.model_validate({name: value})
    assert caught.value.errors()[0]["loc"] == (name,)


def test_every_parameter_has_a_title_a_description_a_default_and_a_range() -> None:
    schema = Img2Img.Params.model_json_schema()
    assert len(json.dumps(schema)) < 2500, "it is sent four times a second"
    for name, field in schema["properties"].items():
        assert {"title", "description", "default"} <= field.keys(), name
        bounds = {"maxLength"} if field["type"] == "string" else {"minimum", "maximum"}
        assert bounds <= field.keys(), name


def test_missing_package_is_named_with_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(MissingPackage, match=r"img2img needs the package diffusers: pip install 'p2pcamera"):
        load(Img2Img, CPU, {}, tmp_path)


def test_only_the_chosen_model_is_downloaded() -> None:
    for model, parts in MODELS.items():
        one = Img2Img()
        one.settings = Img2Img.Settings(model=model)
        assert one.needed_weights() == tuple(part.file for part in parts)
    names = [file.name for file in Img2Img.weights]
    assert len(set(names)) == len(names)
    assert {file.name for parts in MODELS.values() for file in (part.file for part in parts)} == set(names)


def test_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    one = Img2Img()
    one.settings = Img2Img.Settings(weights=tmp_path / "nothing")
    with pytest.raises(WeightsError, match=r"there is no folder .*nothing, which the filter's `weights`"):
        one.needed_weights()


def test_both_models_have_all_of_diffusers_layout() -> None:
    for parts in MODELS.values():
        assert {part.place for part in parts} == {
            "unet/config.json",
            "unet/diffusion_pytorch_model.safetensors",
            "text_encoder/config.json",
            "text_encoder/model.safetensors",
            "tokenizer/vocab.json",
            "tokenizer/merges.txt",
            "vae/config.json",
            "vae/diffusion_pytorch_model.safetensors",
        }
        for part in parts:
            assert part.file.url.endswith(part.place.rpartition("/")[2].partition(".")[2])

"""The whole filter on tiny random models, which go through the same loading as the real ones."""

from __future__ import annotations

import hashlib
import json
import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from inference_service.errors import WeightsError
from inference_service.filters import img2img
from inference_service.filters.base import Item
from inference_service.filters.img2img import Img2Img, files
from inference_service.filters.img2img.schedule import Model
from inference_service.filters.loading import load
from tests.inference_service.hub_server import COMMIT

pytestmark = pytest.mark.models

CPU = torch.device("cpu")
MODELS = ("sd-turbo", "lcm")
NOWHERE = Path("/nowhere")
"""Whoever downloads something here has a fault."""


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    # So small networks lose more by threads that wait for each other than they gain.
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    from tests.inference_service.filters.img2img import tiny

    return {model: tiny.write(tmp_path_factory.mktemp(model), is_lcm=model == "lcm") for model in MODELS}


@pytest.fixture(scope="module")
def filters(folders: dict[str, Path]) -> dict[str, Img2Img]:
    return {model: made(folders[model], model) for model in MODELS}


def made(folder: Path, model: str = "sd-turbo", **settings: Any) -> Img2Img:
    # 128 pixels each way: working size and picture are the same below.
    one = load(Img2Img, CPU, {"model": model, "weights": folder, "side": 128, **settings}, NOWHERE)
    assert isinstance(one, Img2Img)
    return one


def pictures(count: int, width: int = 128, height: int = 128, seed: int = 3) -> Tensor:
    """Soft blobs of colour, unlike each other."""
    coarse = torch.rand(count, 3, 6, 6, generator=torch.Generator().manual_seed(seed))
    smooth = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bicubic").clamp(0, 1)
    return (smooth * 255).to(torch.uint8)


def item(session: int = 0, sequence: int = 0, **params: Any) -> Item:
    return Item(bytes([session] * 16), sequence, Img2Img.Params(**{"steadiness": 0.0, **params}))


def painted(one: Img2Img, batch: Tensor, items: Sequence[Item]) -> Tensor:
    return one.apply(batch.clone(), items)


def by_pipeline(folder: Path, model: str, picture: Tensor, params: Img2Img.Params) -> Tensor:
    """What diffusers' own pipeline makes of the same noise, (3, H, W) in [0, 255]."""
    from diffusers import LatentConsistencyModelImg2ImgPipeline, StableDiffusionImg2ImgPipeline
    from transformers import CLIPTokenizer

    from tests.inference_service.filters.img2img import tiny

    is_lcm = model == "lcm"
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer", model_max_length=77)
    if not is_lcm:
        # As sd-turbo's own tokenizer says; its first word.
        tokenizer.pad_token = "!"
    from diffusers import AutoencoderTiny, UNet2DConditionModel
    from transformers import CLIPTextModel

    kind = LatentConsistencyModelImg2ImgPipeline if is_lcm else StableDiffusionImg2ImgPipeline
    pipeline = kind(
        vae=AutoencoderTiny.from_pretrained(folder / "vae"),
        text_encoder=CLIPTextModel.from_pretrained(folder / "text_encoder"),
        tokenizer=tokenizer,
        unet=UNet2DConditionModel.from_pretrained(folder / "unet"),
        scheduler=tiny.scheduler(is_lcm=is_lcm),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    negative = {} if is_lcm else {"negative_prompt": params.negative_prompt}
    image = pipeline(
        prompt=params.prompt,
        **negative,
        image=picture[None].float() / 255,
        strength=params.strength,
        # The pipeline of sd-turbo runs this share of its steps, that of LCM all of them.
        num_inference_steps=params.steps if is_lcm else round(params.steps / params.strength),
        guidance_scale=params.guidance,
        generator=torch.Generator().manual_seed(params.seed),
        output_type="pt",
    ).images[0]
    return torch.as_tensor(image * 255)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "params"),
    [
        ("sd-turbo", {"steps": 1, "strength": 0.5}),
        ("sd-turbo", {"steps": 1, "strength": 1.0, "guidance": 3.0, "negative_prompt": "red"}),
        ("sd-turbo", {"steps": 4, "strength": 0.8, "seed": 9}),
        ("sd-turbo", {"steps": 4, "strength": 1.0, "guidance": 5.0, "negative_prompt": "hat"}),
        ("lcm", {"steps": 1, "strength": 0.5, "guidance": 8.0}),
        ("lcm", {"steps": 4, "strength": 0.58, "guidance": 2.5, "seed": 9}),
        ("lcm", {"steps": 3, "strength": 1.0, "guidance": 8.0}),
    ],
)
def test_painting_is_that_of_diffusers_own_pipeline(
    folders: dict[str, Path], filters: dict[str, Img2Img], model: str, params: dict[str, Any]
) -> None:
    one = item(prompt="the red hat, oil!", **params)
    picture = pictures(1)
    ours = painted(filters[model], picture, [one])[0]
    theirs = by_pipeline(folders[model], model, picture[0], one.params)
    assert theirs.std() > 2, "nothing to compare"
    assert (ours - theirs).abs().max() < 0.02


@pytest.mark.parametrize("model", MODELS)
def test_sessions_that_wish_different_things_get_in_a_batch_what_each_gets_alone(
    filters: dict[str, Img2Img], model: str
) -> None:
    wishes: list[dict[str, Any]] = [
        {"prompt": "the red hat", "strength": 0.3},
        {"prompt": "oil", "strength": 0.9, "seed": 5, "guidance": 4.0, "negative_prompt": "hat"},
        {"prompt": "oil", "strength": 1.0, "seed": 5, "mix": 0.25},
        {"prompt": "at red", "guidance": 9.0},
    ]
    batch = pictures(4, 160, 96)
    together = painted(filters[model], batch, [item(n, steps=2, **wish) for n, wish in enumerate(wishes)])
    alone = [
        painted(filters[model], batch[n : n + 1], [item(n, steps=2, **wish)])[0]
        for n, wish in enumerate(wishes)
    ]
    assert (together - torch.stack(alone)).abs().max() < 0.02
    assert together.shape == batch.shape
    assert together.dtype == torch.float32


@pytest.mark.parametrize(
    ("model", "params"),
    [
        ("sd-turbo", {"prompt": "oil"}),
        ("sd-turbo", {"seed": 2}),
        ("sd-turbo", {"strength": 0.8}),
        ("sd-turbo", {"steps": 2}),
        ("sd-turbo", {"guidance": 3.0}),
        ("sd-turbo", {"mix": 0.5}),
        ("lcm", {"guidance": 2.0}),
    ],
)
def test_every_parameter_shows_in_the_next_frame(
    filters: dict[str, Img2Img], model: str, params: dict[str, Any]
) -> None:
    batch = pictures(1)
    before = painted(filters[model], batch, [item()])
    assert (painted(filters[model], batch, [item()]) - before).abs().max() == 0
    assert (painted(filters[model], batch, [item(**params)]) - before).abs().mean() > 0.05


def test_lcm_left_to_itself_is_guided_as_its_makers_advise(filters: dict[str, Img2Img]) -> None:
    batch = pictures(1)
    by_itself = painted(filters["lcm"], batch, [item(guidance=1.0)])
    assert torch.equal(by_itself, painted(filters["lcm"], batch, [item(guidance=8.0)]))


def test_negative_prompt_shows_with_guidance_alone(filters: dict[str, Img2Img]) -> None:
    batch, turbo = pictures(1), filters["sd-turbo"]
    plain, guided = item(), item(guidance=6.0)
    assert torch.equal(painted(turbo, batch, [plain]), painted(turbo, batch, [item(negative_prompt="hat")]))
    other = painted(turbo, batch, [item(guidance=6.0, negative_prompt="the red hat")])
    assert (other - painted(turbo, batch, [guided])).abs().mean() > 0.05


def test_still_scene_settles_and_a_moving_one_leaves_no_ghost(filters: dict[str, Img2Img]) -> None:
    turbo = filters["sd-turbo"]
    scene, generator = pictures(1).float(), torch.Generator().manual_seed(1)
    state: dict[str, Any] = {}

    def frame(sequence: int, level: float, steadiness: float = 0.9) -> Tensor:
        noisy = scene + torch.randn(scene.shape, generator=generator) * 2
        noisy[..., :64] += level
        one = item(0, sequence, steadiness=steadiness)
        one.state = state
        return painted(turbo, noisy.clamp(0, 255).to(torch.uint8), [one])

    still = torch.stack([frame(n, 0) for n in range(6)])[3:]
    state.clear()
    restless = torch.stack([frame(n, 0, steadiness=0.0) for n in range(6)])[3:]
    assert still.std(dim=0).mean() < 0.35 * restless.std(dim=0).mean()
    moved = frame(7, 60)
    state.clear()
    fresh = frame(7, 60)
    # Away from the border between what has moved and what has not.
    assert (moved - fresh)[..., :40].abs().mean() < 2
    assert (frame(8, 60) - fresh)[..., 90:].abs().mean() < 2


def test_state_is_small_and_what_is_not_finite_spoils_its_own_picture_alone(folders: dict[str, Path]) -> None:
    turbo = made(folders["sd-turbo"])
    batch = pictures(2)
    items = [item(n, prompt=text, steadiness=0.9) for n, text in enumerate(("red", "hat"))]
    first = painted(turbo, batch, items)
    assert {key: value.dtype for key, value in items[0].state.items() if isinstance(value, Tensor)} == {
        "painted": torch.uint8,
        "cells": torch.float32,
    }
    kept = items[1].state["painted"].clone()
    assert turbo._painter is not None
    known = turbo._painter._prompts._known
    known["hat"] = known["hat"] * math.inf
    second = painted(turbo, batch, items)
    assert second[1].isnan().all()
    assert (second[0] - first[0]).abs().max() < 1
    assert torch.equal(items[1].state["painted"], kept)


def test_pipeline_saved_with_another_autoencoder_takes_the_downloaded_one(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    for name in ("unet", "text_encoder", "tokenizer"):
        folder.mkdir(exist_ok=True)
        (folder / name).symlink_to(folders["sd-turbo"] / name)
    (folder / "vae").mkdir()
    (folder / "vae" / "config.json").write_text(json.dumps({"_class_name": "AutoencoderKL"}))
    one = Img2Img()
    one.settings = Img2Img.Settings(weights=folder)
    assert [file.name for file in one.needed_weights()] == [
        "taesd-config.json",
        "taesd-autoencoder.safetensors",
    ]


@pytest.mark.parametrize("model", MODELS)
def test_what_is_downloaded_paints_as_the_folder_does_and_later_without_a_network(
    folders: dict[str, Path],
    filters: dict[str, Img2Img],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    model: Model,
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    wish: dict[str, Any] = {"prompt": "red hat", "guidance": 3.0}
    batch = pictures(1)
    expected = painted(filters[model], batch, [item(**wish)])
    with model_hub(folders[model]) as url:
        monkeypatch.setattr(
            img2img, "MODELS", {model: tuple(on_hub(part, url) for part in files.MODELS[model])}
        )
        told: list[tuple[str, float]] = []
        settings = {"model": model, "side": 128}
        one = load(Img2Img, CPU, settings, tmp_path, lambda text, fraction: told.append((text, fraction)))
    assert isinstance(one, Img2Img)
    assert torch.equal(painted(one, batch, [item(**wish)]), expected)
    fractions = [fraction for text, fraction in told if not text.startswith("asking")]
    assert fractions == sorted(fractions)
    again = load(Img2Img, CPU, settings, tmp_path)
    assert isinstance(again, Img2Img)
    assert torch.equal(painted(again, batch, [item(**wish)]), expected)


def on_hub(part: files.Part, url: str) -> files.Part:
    """The same file, under its own name, on a hub that knows the tiny model and is asked for its sums."""
    address = f"{url}/owner/model/resolve/{COMMIT}/{part.place}"
    return files.Part(part.place, replace(part.file, url=address, sum_prefix=None, size_bytes=None))


@contextmanager
def model_hub(folder: Path) -> Iterator[str]:
    """Serve a folder as Hugging Face's hub serves a repository of small files."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.do_GET(is_body_wanted=False)

        def do_GET(self, is_body_wanted: bool = True) -> None:
            content = (folder / self.path.partition(f"/{COMMIT}/")[2]).read_bytes()
            blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            self.send_response(200)
            for name, value in (
                ("X-Repo-Commit", COMMIT),
                ("ETag", f'"{blob}"'),
                ("Content-Length", len(content)),
            ):
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(content if is_body_wanted else b"")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("path", "content", "said"),
    [
        ("unet/config.json", None, "there is no file .*unet/config.json; the filter's `weights` setting"),
        ("unet/diffusion_pytorch_model.safetensors", None, "there is no file diffusion_pytorch_model"),
        ("unet/diffusion_pytorch_model.safetensors", b"x" * 64, "truncated or no safetensors file"),
        ("unet/config.json", b"[]", "is no configuration"),
        (
            "unet/config.json",
            b'{"_class_name": "UNet3DConditionModel"}',
            "img2img takes UNet2DConditionModel",
        ),
        ("unet/config.json", b'{"down_block_types": ["Nothing"]}', "describes no network"),
        ("vae/config.json", b'{"_class_name": "AutoencoderTiny"}', "another network than the config.json"),
        ("tokenizer/vocab.json", None, "there is no file .*vocab.json"),
        ("tokenizer/vocab.json", b"{", "no tokenizer that can be read"),
        (
            "scheduler/scheduler_config.json",
            b'{"prediction_type": "v_prediction"}',
            "takes models of 'epsilon'",
        ),
        ("scheduler/scheduler_config.json", b'{"beta_start": "much"}', "expected numbers"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_word_on_what_to_do(
    folders: dict[str, Path], tmp_path: Path, path: str, content: bytes | None, said: str
) -> None:
    import shutil

    folder = shutil.copytree(folders["sd-turbo"], tmp_path / "model")
    (folder / path).unlink()
    if content is not None:
        (folder / path).write_bytes(content)
    with pytest.raises(WeightsError, match=said) as caught:
        made(folder)
    assert "p2pcamera-img2img-" not in str(caught.value), "a temporary folder, which is gone"


@pytest.mark.parametrize("model", MODELS)
def test_other_kind_of_model_is_refused(folders: dict[str, Path], model: str) -> None:
    other = next(one for one in MODELS if one != model)
    with pytest.raises(WeightsError, match=f"set the filter's `model` to '{model}'"):
        made(folders[model], other)


def test_text_encoders_of_older_transformers_are_read_alike(folders: dict[str, Path], tmp_path: Path) -> None:
    import shutil

    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(folders["sd-turbo"], tmp_path / "model")
    path = folder / "text_encoder" / "model.safetensors"
    plain = {key.removeprefix("text_model."): value for key, value in load_file(path).items()}
    older = {f"text_model.{key}": value for key, value in plain.items()}
    older["text_model.embeddings.position_ids"] = torch.arange(77)[None]
    batch = pictures(1)
    results = []
    for tensors in (plain, older):
        save_file(tensors, path)
        results.append(painted(made(folder), batch, [item(prompt="red hat")]))
    assert torch.equal(*results)


def test_prompts_are_encoded_once(folders: dict[str, Path]) -> None:
    turbo = made(folders["sd-turbo"])
    asked: list[list[str]] = []
    assert turbo._painter is not None
    prompts = turbo._painter._prompts
    encode = prompts._encode
    prompts._encode = lambda texts: asked.append(texts) or encode(texts)  # type: ignore[func-returns-value]
    batch = pictures(2)
    for _ in range(2):
        painted(turbo, batch, [item(prompt="red"), item(prompt="hat", guidance=2.0)])
    assert asked == [["red", "hat", ""]]

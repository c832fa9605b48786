"""What img2img costs around its networks, beside diffusers' own pipeline: `python -m benchmarks.denoising`.

Both have the same tiny networks. Their time is taken out, so what is left is everything else: noise, numbers,
loops, calls. They take turns, frame by frame. Needs the packages of the extra `models`.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.machine import machine
from inference_service.filters.base import Item
from inference_service.filters.img2img import Img2Img
from inference_service.filters.loading import load
from tests.inference_service.filters.img2img import tiny

SIDE = 128
PROMPT = "the red hat, oil"


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=60, help="of each, in turns")
    parser.add_argument("--threads", type=int, default=1, help="of torch")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    print(
        f"{machine()['processor']}, torch {torch.__version__}, diffusers {version('diffusers')}, "
        f"{given.threads} thread(s), {given.frames} frames each\n"
    )
    print("| pictures | steps | around diffusers' networks, ms | around img2img's, ms | ratio |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name, torch.inference_mode():
        folder = tiny.write(Path(name))
        for count, steps in ((1, 1), (4, 1), (1, 4)):
            theirs, ours = taking_turns(folder, count, steps, given.frames)
            print(f"| {count} | {steps} | {theirs:.2f} | {ours:.2f} | {theirs / ours:.2f} |", flush=True)


class Clock:
    """Counts the time inside networks."""

    def __init__(self) -> None:
        self.inside_s = 0.0
        self._since_s = 0.0

    def watch(self, *networks: nn.Module) -> None:
        """Count these, none of which is inside another."""
        for network in networks:
            network.register_forward_pre_hook(self._begin)
            network.register_forward_hook(self._end)

    def _begin(self, *_: Any) -> None:
        self._since_s = time.perf_counter()

    def _end(self, *_: Any) -> None:
        self.inside_s += time.perf_counter() - self._since_s


def taking_turns(folder: Path, count: int, steps: int, frames: int) -> tuple[float, float]:
    """Return the median time of a batch outside the networks, ms: the pipeline's and the filter's."""
    batch = torch.randint(0, 256, (count, 3, SIDE, SIDE), dtype=torch.uint8)
    clock = Clock()
    both = (by_pipeline(folder, batch, steps, clock), by_filter(folder, batch, steps, clock))
    times_ms: tuple[list[float], list[float]] = ([], [])
    for frame in range(frames + 3):
        for run, times in zip(both, times_ms, strict=True):
            clock.inside_s = 0.0
            started_s = time.perf_counter()
            run()
            # The first ones fill caches.
            if frame >= 3:
                times.append((time.perf_counter() - started_s - clock.inside_s) * 1e3)
    return statistics.median(times_ms[0]), statistics.median(times_ms[1])


def by_filter(folder: Path, batch: Tensor, steps: int, clock: Clock) -> Callable[[], Any]:
    """Return one frame of `count` sessions through the filter, steadying and all."""
    settings = {"weights": folder, "side": SIDE}
    one = load(Img2Img, torch.device("cpu"), settings, folder)
    assert isinstance(one, Img2Img)
    assert one._painter is not None
    networks = one._painter._networks
    clock.watch(networks._unet, networks._autoencoder.encoder, networks._autoencoder.decoder)
    params = Img2Img.Params(prompt=PROMPT, steps=steps, strength=0.5)
    items = [Item(bytes([n] * 16), 0, params) for n in range(len(batch))]
    return lambda: one.apply(batch.clone(), items)


def by_pipeline(folder: Path, batch: Tensor, steps: int, clock: Clock) -> Callable[[], Any]:
    """Return one call of the pipeline, spared what it need not do anew: it is given the text's encoding."""
    from diffusers import AutoencoderTiny, StableDiffusionImg2ImgPipeline, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTokenizer

    pipeline = StableDiffusionImg2ImgPipeline(
        vae=AutoencoderTiny.from_pretrained(folder / "vae"),
        text_encoder=CLIPTextModel.from_pretrained(folder / "text_encoder"),
        tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer", model_max_length=77),
        unet=UNet2DConditionModel.from_pretrained(folder / "unet"),
        scheduler=tiny.scheduler(is_lcm=False),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    clock.watch(pipeline.unet, pipeline.vae.encoder, pipeline.vae.decoder)
    words, _ = pipeline.encode_prompt(PROMPT, torch.device("cpu"), 1, False)

    def run() -> Any:
        images = pipeline(
            prompt_embeds=words.expand(len(batch), -1, -1),
            image=batch.float() / 255,
            strength=0.5,
            num_inference_steps=2 * steps,
            guidance_scale=1.0,
            generator=torch.Generator().manual_seed(1),
            output_type="pt",
        ).images
        return (images * 255).round().to(torch.uint8)

    return run


if __name__ == "__main__":
    main()

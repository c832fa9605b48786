"""Measure the ink filter and draw the README's picture: `python -m docs.make.ink`.

Prints how near the network comes to its teacher, on a photograph that neither was made with. Prints also how
much it flickers behind a noisy sensor, how much it changes, and what a frame costs on this CPU.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from docs.make.jpeg import beside, write_jpeg
from harness.coding import psnr_db
from harness.photograph import GRACE_HOPPER, read_photo
from inference_service.filters.base import Item
from inference_service.filters.ink import Ink
from inference_service.filters.ink.teacher import stylise

NOISE_SIGMA = 3.0
NOISY_FRAMES = 16
PICTURE = Path(__file__).parents[2] / "docs" / "images" / "ink-before-after.jpg"


def main() -> None:
    """Print the figures as JSON and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photo", type=Path, default=GRACE_HOPPER)
    parser.add_argument("--top", type=float, default=0.15, help="share of the spare height cut off above")
    parser.add_argument("--picture", type=Path, default=PICTURE)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--frames", type=int, default=200, help="frames that are timed")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    ink = Ink()
    ink.load(torch.device("cpu"))

    photo = read_photo(given.photo, given.top)
    drawn, taught = draw(ink, photo), stylise(photo)
    figures = {
        "photo": given.photo.name,
        "psnr_to_teacher_db": round(psnr_db(drawn, taught), 2),
        "psnr_of_the_photo_to_teacher_db": round(psnr_db(photo, taught), 2),
        **measure_calm(ink, photo),
        **measure_time(ink, photo, given.frames),
        "threads": given.threads,
    }
    print(json.dumps(figures, indent=2))
    write_jpeg(given.picture, beside(photo, drawn))


def draw(ink: Ink, image_rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return the drawing of one (H, W, 3) uint8 RGB picture."""
    batch = torch.from_numpy(image_rgb)[None].permute(0, 3, 1, 2)
    drawn = ink.apply(batch, [Item(bytes(16), 0, Ink.Params())])
    return np.asarray(drawn[0].permute(1, 2, 0).numpy(), np.uint8)


def measure_calm(ink: Ink, photo: npt.NDArray[np.uint8]) -> dict[str, float]:
    """Return the spread over time of a still scene before a noisy sensor, and the mean change."""
    rng = np.random.default_rng(7)
    noise = rng.normal(0, NOISE_SIGMA, (NOISY_FRAMES, *photo.shape))
    noisy = np.clip(np.round(photo + noise), 0, 255).astype(np.uint8)
    drawn = np.stack([draw(ink, frame) for frame in noisy])
    before, after = float(noisy.std(axis=0).mean()), float(drawn.std(axis=0).mean())
    return {
        "noise_std_of_input": round(before, 2),
        "noise_std_of_output": round(after, 2),
        "noise_ratio": round(after / before, 3),
        "mean_change": round(float(np.abs(drawn.mean(axis=0) - photo).mean()), 2),
    }


def measure_time(ink: Ink, photo: npt.NDArray[np.uint8], frames: int) -> dict[str, float]:
    """Return what one frame costs, in ms of the wall clock and of all threads' CPU time."""
    batch = torch.from_numpy(photo)[None].permute(0, 3, 1, 2)
    items = [Item(bytes(16), 0, Ink.Params())]
    for _ in range(10):
        ink.apply(batch, items)
    walls_ms = []
    busy_s = time.process_time()
    for _ in range(frames):
        start_s = time.perf_counter()
        ink.apply(batch, items)
        walls_ms.append((time.perf_counter() - start_s) * 1000)
    busy_ms = (time.process_time() - busy_s) * 1000 / frames
    return {
        "frame_ms_least": round(min(walls_ms), 2),
        "frame_ms_median": round(statistics.median(walls_ms), 2),
        "frame_cpu_ms": round(busy_ms, 2),
    }


if __name__ == "__main__":
    main()

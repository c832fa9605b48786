"""Train the ink network: `python -m inference_service.filters.ink.train`.

Draws its own pictures, shows the teacher the clean ones and the network noisy ones, and writes
`ink.safetensors` beside this file. The same seed, versions and machine give the same weights.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import save
from torch import Tensor

from inference_service.filters.ink.network import InkNetwork
from inference_service.filters.ink.pictures import draw_picture
from inference_service.filters.ink.teacher import paint_and_ink

logger = logging.getLogger(__name__)

WEIGHTS = Path(__file__).with_name("ink.safetensors")


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """What one training run depends on; the defaults made the weights in the project."""

    seed: int = 2006
    pictures: int = 200
    picture_size: int = 256
    steps: int = 18000
    batch: int = 4
    crop: int = 64
    learning_rate: float = 2e-3
    noise_sigma_max: float = 5.0
    """Sensor noise on the network's input, in levels of 255; each crop draws its own sigma below it."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """One picture, what a camera's coder makes of it, and the teacher's answer to the clean one."""

    clean: npt.NDArray[np.uint8]
    coded: npt.NDArray[np.uint8]
    paint: npt.NDArray[np.float32]
    inked: npt.NDArray[np.float32]
    """Paint with the ink over it; all four (size, size, 3) RGB, floats in [0, 1]."""


def main() -> None:
    """Train with the settings of the command line and write the weights."""
    defaults = TrainingSettings()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=defaults.steps)
    parser.add_argument("--pictures", type=int, default=defaults.pictures)
    parser.add_argument("--seed", type=int, default=defaults.seed)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path, default=WEIGHTS)
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(given.threads)
    cv2.setNumThreads(given.threads)
    settings = TrainingSettings(seed=given.seed, pictures=given.pictures, steps=given.steps)
    network, _ = train(settings)
    given.output.write_bytes(save({key: value.contiguous() for key, value in network.state_dict().items()}))
    logger.info("wrote %s, %d bytes", given.output.name, given.output.stat().st_size)


def train(settings: TrainingSettings) -> tuple[InkNetwork, list[float]]:
    """Return the trained network and the loss of every step."""
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    lessons = [prepare_lesson(rng, settings.picture_size) for _ in range(settings.pictures)]
    logger.info("drew %d pictures", len(lessons))
    network = InkNetwork().to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.learning_rate, total_steps=settings.steps, pct_start=0.1
    )
    losses = []
    for step, (seen, paint, inked) in enumerate(_crops(rng, lessons, settings), start=1):
        loss = _loss(network, seen, paint, inked)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
        if step % 500 == 0:
            logger.info("step %d of %d, loss %.5f", step, settings.steps, np.mean(losses[-500:]))
    return network.eval(), losses


def prepare_lesson(rng: np.random.Generator, size: int) -> Lesson:
    """Draw one picture and let the teacher answer it."""
    clean = draw_picture(rng, size)
    # A call's frames have been through a video coder; JPEG leaves blocks and ringing of the same kind.
    quality = int(rng.integers(55, 95))
    _, packed = cv2.imencode(".jpg", clean[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    coded = np.ascontiguousarray(np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)[..., ::-1])
    paint, ink = paint_and_ink(clean)
    return Lesson(clean, coded, paint, paint * (1 - ink[..., None]))


def _crops(
    rng: np.random.Generator, lessons: list[Lesson], settings: TrainingSettings
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield batches (seen, paint, inked), each (N, 3, crop, crop) in [0, 1], channels-last."""
    for _ in range(settings.steps):
        triples = [_crop(rng, lessons[rng.integers(len(lessons))], settings) for _ in range(settings.batch)]
        seen, paint, inked = (
            torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
            for pictures in zip(*triples, strict=True)
        )
        yield seen, paint, inked


def _crop(
    rng: np.random.Generator, lesson: Lesson, settings: TrainingSettings
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    top, left = rng.integers(0, settings.picture_size - settings.crop + 1, 2)
    window = np.s_[top : top + settings.crop, left : left + settings.crop]
    camera = lesson.coded if rng.random() < 0.4 else lesson.clean
    seen = camera[window].astype(np.float32) + _noise(rng, settings)
    # A camera clips too: noise can make nothing darker than black.
    seen = np.asarray(np.clip(np.round(seen), 0, 255) / 255, np.float32)
    turns, mirrored = int(rng.integers(4)), rng.random() < 0.5

    def turned(picture: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        turned = np.rot90(picture, turns)
        return np.ascontiguousarray(turned[:, ::-1] if mirrored else turned)

    return turned(seen), turned(lesson.paint[window]), turned(lesson.inked[window])


def _noise(rng: np.random.Generator, settings: TrainingSettings) -> npt.NDArray[np.float32]:
    """Return sensor noise, (crop, crop, 3) in levels: of any strength, fine or blotchy."""
    sigma = rng.uniform(0, settings.noise_sigma_max)
    noise = rng.standard_normal((settings.crop, settings.crop, 3), np.float32)
    if rng.random() < 0.3:
        noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), 0.8), np.float32)
        noise /= noise.std()
    return np.asarray(noise * np.float32(sigma), np.float32)


def _loss(network: InkNetwork, seen: Tensor, paint: Tensor, inked: Tensor) -> Tensor:
    """Return the mean error of paint, of the finished picture, and of the finished picture's edges."""
    # Ink covers one pixel in fifty: without its weight a network does best that draws no lines at all.
    weight = 1 + 8 * (paint - inked).mean(dim=1, keepdim=True)
    painted, finished = network.forward(seen)
    error = finished - inked
    # What counts between neighbours is sharpness, which the mean error alone trades for a blur.
    edges = error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean()
    return (weight * error.abs()).mean() + 0.5 * edges + 0.5 * (painted - paint).abs().mean()


if __name__ == "__main__":
    main()

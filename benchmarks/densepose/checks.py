"""What must be true on a GPU before its times mean anything; each check prints one line."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from benchmarks.densepose.article import Article
from benchmarks.densepose.crowd import BenchDensePose
from harness.counting import count
from inference_service.device import colour
from inference_service.device.colour import Colour
from inference_service.device.crossing import GpuCrossings
from inference_service.engine.memory_cameras import drawn
from inference_service.filters.base import Item
from shared.frame import ColourMatrix, ColourRange

SIZE = (640, 480)


def check_all(device: torch.device, weights: Path, say: Callable[[str], None]) -> bool:
    """Run every check; return whether all hold. On a CPU those that need a GPU are left out, and said so."""
    checks = [same_colours, same_picture_as_library, batched_equals_single]
    if device.type == "cuda":
        checks += [pictures_cross, half_precision_is_close, graphs_change_nothing, one_wait_per_batch]
    held = []
    for check in checks:
        try:
            result = check(device, weights)
            is_held, text = result
        except Exception as exc:
            is_held, text = False, f"{type(exc).__name__}: {exc}"
        say(f"{'holds ' if is_held else 'FAILS '} {check.__name__.replace('_', ' ')}: {text}")
        held.append(is_held)
    return all(held)


def same_colours(device: torch.device, weights: Path) -> tuple[bool, str]:
    """Colours on the device are OpenCV's to within 1, both ways, and full range and BT.709 a CPU's."""
    i420 = np.random.default_rng(0).integers(0, 256, (4, SIZE[1] * 3 // 2, SIZE[0]), np.uint8)
    worst = 0
    for meant in (Colour(r, m) for r in ColourRange for m in ColourMatrix):
        on_cpu = colour.i420_to_rgb(torch.from_numpy(i420), meant)
        on_device = colour.i420_to_rgb(torch.from_numpy(i420).to(device), meant)
        back_cpu, back = colour.rgb_to_i420(on_cpu, meant), colour.rgb_to_i420(on_cpu.to(device), meant)
        for one, other in ((on_cpu, on_device), (back_cpu, back)):
            worst = max(worst, int((one.int() - other.cpu().int()).abs().max()))
    opencv = np.stack([cv2.cvtColor(one, cv2.COLOR_YUV2RGB_I420) for one in i420])
    ours = colour.i420_to_rgb(torch.from_numpy(i420).to(device), Colour()).permute(0, 2, 3, 1).cpu().numpy()
    opencv_worst = int(np.abs(opencv.astype(int) - ours).max())
    return worst <= 1 and opencv_worst <= 1, f"CPU to device {worst}, OpenCV to device {opencv_worst} levels"


def same_picture_as_library(device: torch.device, weights: Path) -> tuple[bool, str]:
    """In single precision the drawing is the library's own, at the same limits."""
    with _deterministic():
        article = Article(weights, people=4, device=str(device), short_side=SIZE[1])
        ours = load(
            device,
            weights,
            precision="float32",
            cuda_graphs=False,
            max_people=4,
            proposals_per_level=1000,
            proposals=1000,
        )
        shares = []
        for rgb in pictures(3):
            expected = article.draw(np.ascontiguousarray(rgb[..., ::-1]))[..., ::-1]
            made = draw(ours, rgb[None], device)[0]
            shares.append(float((made == expected).all(axis=-1).mean()))
    # On a GPU convolutions of another batch or algorithm differ in the last bit, and so do some edges.
    least = 1.0 if device.type == "cpu" else 0.995
    return min(shares) >= least, f"{min(shares):.4%} of the pixels equal"


def batched_equals_single(device: torch.device, weights: Path) -> tuple[bool, str]:
    """A batch of 5 pictures gives what each gives alone."""
    with _deterministic():
        ours = load(device, weights, precision="float32", max_people=4)
        images = pictures(5)
        together = draw(ours, images, device)
        alone = np.concatenate([draw(ours, one[None], device) for one in images])
    share = float((together == alone).all(axis=-1).mean())
    return share >= (0.999 if device.type == "cpu" else 0.995), f"{share:.4%} of the pixels equal"


def pictures_cross(device: torch.device, weights: Path) -> tuple[bool, str]:
    """Twenty batches through the three streams come back as they went, in their order."""
    crossings = GpuCrossings(device)
    under_way: list[tuple[np.ndarray[Any, Any], Any]] = []
    wrong = 0
    for number in range(20):
        sent = np.random.default_rng(number).integers(0, 256, (8, SIZE[1] * 3 // 2, SIZE[0]), np.uint8)
        one = crossings.begin()
        with crossings.computing():
            one.download(255 - one.upload(list(sent)), None)
        under_way.append((sent, one))
        if len(under_way) == 2:
            wrong += _wrong(*under_way.pop(0))
    wrong += sum(_wrong(*each) for each in under_way)
    return wrong == 0, f"{wrong} of 20 batches wrong"


def half_precision_is_close(device: torch.device, weights: Path) -> tuple[bool, str]:
    """Half precision with graphs draws nearly what single precision draws."""
    images = pictures(4)
    single = draw(load(device, weights, precision="float32", max_people=4), images, device)
    half = draw(load(device, weights, precision="float16", max_people=4), images, device)
    share = float((single == half).all(axis=-1).mean())
    # Random weights make parts that win by little; people and their places are what must agree.
    return share >= 0.8, f"{share:.2%} of the pixels equal"


def graphs_change_nothing(device: torch.device, weights: Path) -> tuple[bool, str]:
    """Replayed graphs give what the same launches give one by one."""
    images = pictures(4)
    eager = draw(load(device, weights, cuda_graphs=False, max_people=4), images, device)
    filter_with_graphs = load(device, weights, cuda_graphs=True, max_people=4)
    if (4, SIZE[1], SIZE[0]) not in filter_with_graphs._runner._findings:
        return False, "nothing was recorded"
    shares = []
    for _ in range(3):
        graphs = draw(filter_with_graphs, images, device)
        shares.append(float((eager == graphs).all(axis=-1).mean()))
    return min(shares) >= 0.995, f"{min(shares):.4%} of the pixels equal"


def one_wait_per_batch(device: torch.device, weights: Path) -> tuple[bool, str]:
    """torch itself finds nothing in a batch that waits for the GPU, but for the question about people."""
    ours = load(device, weights, max_people=4)
    batch = torch.from_numpy(pictures(4)).to(device).permute(0, 3, 1, 2)
    items = [Item(bytes([n]) * 16, 0, ours.Params()) for n in range(4)]
    ours.apply(batch.clone(), items)
    torch.cuda.synchronize(device)
    torch.cuda.set_sync_debug_mode("error")
    try:
        ours.apply(batch.clone(), items)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    eager = load(device, weights, max_people=4, cuda_graphs=False)
    work = count(lambda: eager.apply(batch.clone(), items))
    text = f"{work.operators.total()} operators without graphs, waits {dict(work.waits)}"
    return work.waits.total() == 1, text


def load(device: torch.device, weights: Path, **settings: Any) -> BenchDensePose:
    """Return the filter with the benchmark's weights, once it has recorded all that it wants."""
    one = BenchDensePose()
    recorded_sizes = (f"{SIZE[0]}x{SIZE[1]}",)
    one.settings = one.Settings(weights=weights, warm_batch=4, recorded_sizes=recorded_sizes, **settings)
    one.load(device)
    for piece in one.recordings():
        piece()
    return one


def draw(one: BenchDensePose, images_rgb: Any, device: torch.device) -> Any:
    """Return (N, H, W, 3) uint8 RGB drawings of (N, H, W, 3) pictures."""
    batch = torch.from_numpy(np.ascontiguousarray(images_rgb)).to(device).permute(0, 3, 1, 2)
    params = one.Params(min_score=0.05)
    result: Tensor = one.apply(batch, [Item(bytes([n]) * 16, 0, params) for n in range(len(batch))])
    return result.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()


def pictures(count: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return (count, H, W, 3) RGB pictures, rough enough that places differ."""
    random = np.random.default_rng(1)
    made = []
    for planes in drawn(SIZE, count):
        i420 = np.frombuffer(planes, np.uint8).reshape(SIZE[1] * 3 // 2, SIZE[0])
        rgb = cv2.cvtColor(i420, cv2.COLOR_YUV2RGB_I420)
        rough = cv2.resize(
            random.integers(0, 256, (15, 20, 3), np.uint8), SIZE, interpolation=cv2.INTER_CUBIC
        )
        made.append(cv2.addWeighted(rgb, 0.5, rough, 0.5, 0))
    return np.stack(made)


def _wrong(sent: np.ndarray[Any, Any], crossing: Any) -> int:
    arrived = crossing.arrive()
    is_wrong = not np.array_equal(arrived.planes_i420, 255 - sent)
    crossing.close()
    return int(is_wrong)


@contextmanager
def _deterministic() -> Iterator[None]:
    """Keep single precision single: by default a GPU rounds the factors of convolutions to 10 bits."""
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before

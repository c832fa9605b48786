"""Measure the networks for people, and write what was measured into docs/networks.md.

    python -m benchmarks.networks --write                      # time alone
    python -m benchmarks.networks --lite FOLDER --mattes FOLDER --write

Each network is measured as torch runs it and as LiteRT does. `--lite`: MediaPipe's files, as for
`deploy.convert_networks`, for the largest difference to their outputs; without them what the document has of
it stays. `--mattes`: NAME.jpg with NAME_alpha.png, which the masks are compared with. Time is CPU time of one
thread, the lower quartile of many calls, so that what else runs on the host counts little.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.machine import machine
from deploy.convert_networks.__main__ import SOURCES
from harness.lite import lite_outputs
from harness.network_inputs import NAMES, network_input
from inference_service.filters.vision.networks.people import files, regions
from inference_service.filters.vision.networks.people.body_finder import BodyFinder
from inference_service.filters.vision.networks.people.body_points import BodyPoints
from inference_service.filters.vision.networks.people.face_finder import FaceFinder
from inference_service.filters.vision.networks.people.face_mesh import FaceMesh
from inference_service.filters.vision.networks.people.fit import Fit
from inference_service.filters.vision.networks.people.network import Network
from inference_service.filters.vision.networks.people.person_mask import PersonMask

DOCUMENT = Path(__file__).parents[1] / "docs" / "networks.md"
BEGIN, END = "<!-- benchmarks.networks: begin -->", "<!-- benchmarks.networks: end -->"
CPU = torch.device("cpu")
FRAME = 480, 640
CROPS = {
    "4:3": (0, 0, 640, 480),
    "16:9, upper": (0, 60, 640, 420),
    "16:9, lower": (0, 120, 640, 480),
    "1:1": (80, 0, 560, 480),
    "3:4": (140, 0, 500, 480),
    "9:16": (185, 0, 455, 480),
}
"""Left, top, right, bottom, of a 640x480 photograph; each is taken as it is and mirrored."""


def main() -> None:
    """Print the tables, or write them into the document."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lite", type=Path)
    parser.add_argument("--mattes", type=Path)
    parser.add_argument("--calls", type=int, default=40)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    text = "\n".join(
        [
            *host(),
            "",
            *networks_table(given.lite, given.calls, known_differences(DOCUMENT.read_text())),
            "",
            *calls_table(given.calls),
            *(["", *masks_table(given.mattes)] if given.mattes else []),
        ]
    )
    if not given.write:
        print(text)
        return
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    DOCUMENT.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")


def host() -> list[str]:
    """Return a sentence on what the figures depend on."""
    found = machine()
    return [
        f"{found['processor']}, one thread, torch {found['packages']['torch']}; load of the host at first: "
        f"{found['load_before']:.1f}."
    ]


def known_differences(text: str) -> dict[str, str]:
    """Return what a document says of each network's difference to MediaPipe's, by the network's name."""
    table = text.partition(BEGIN)[2].partition("| call")[0]
    rows = [[cell.strip() for cell in line.split("|")] for line in table.splitlines()]
    return {row[1].strip("`"): row[-2] for row in rows if len(row) > 2 and row[1].startswith("`")}


def networks_table(lite: Path | None, calls: int, known: Mapping[str, str]) -> list[str]:
    """Return rows of each network alone: size, time by each runtime, distance to MediaPipe's.

    That distance is taken from `known` where MediaPipe's files are not at hand.
    """
    lines = [
        "| network | input | file | torch, 1 picture | 4 pictures | LiteRT, 1 picture | 4 pictures "
        "| largest difference to MediaPipe's |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for source in SOURCES:
        torchs, own = files.load(source.name, CPU, by_torch=True), files.load(source.name, CPU)
        _, height, width = own.input
        one = network_input(NAMES[0], source.name, (height, width))
        batches = [one, one.repeat(4, 1, 1, 1)]
        ours = [f"{quartile_ms(partial(torchs, batch), calls):.1f} ms" for batch in batches]
        lites = ["-", "-"]
        if own.runtime == "LiteRT":
            lites = [f"{quartile_ms(partial(own, batch), calls):.1f} ms" for batch in batches]
        difference = known.get(source.name, "-")
        if lite is not None:
            difference = ", ".join(differences(own, source.name, lite))
        size = (files.FOLDER / f"{source.name}.safetensors").stat().st_size / 1e6
        lines.append(
            f"| `{source.name}` | {width}x{height} | {size:.2f} MB | {' | '.join((*ours, *lites))} "
            f"| {difference} |"
        )
    return lines


def calls_table(calls: int) -> list[str]:
    """Return rows of what a filter calls, on 640x480 frames, all of it included."""
    lines = ["| call, 640x480 frames | 1 frame | 4 frames |", "|---|---|---|"]
    frame = torch.zeros(*FRAME, 3, dtype=torch.uint8)
    frame[:] = torch.arange(FRAME[1])[:, None] % 200
    square = torch.tensor([[320.0, 240, 300, 0.2]])
    networks: dict[str, Callable[[Tensor], object]] = {
        '`PersonMask("general")`': PersonMask("general", CPU),
        '`PersonMask("wide")`': PersonMask("wide", CPU),
        '`FaceFinder(("near",))`': FaceFinder(CPU, ("near",)),
        "`FaceFinder()`, both ranges": FaceFinder(CPU),
        "`FaceMesh`, one face a frame": on_regions(FaceMesh(CPU), square),
        "`BodyFinder`": BodyFinder(CPU),
        "`BodyPoints`, one person a frame": on_regions(BodyPoints(CPU), square),
        "`regions.cut` to 192x192": lambda batch: regions.cut(
            batch, square.repeat(len(batch), 1), torch.arange(len(batch)), 192
        ),
    }
    for name, call in networks.items():
        # Channels-last in memory, as the worker hands frames to filters.
        batches = [frame.repeat(count, 1, 1, 1).permute(0, 3, 1, 2) for count in (1, 4)]
        ours = [quartile_ms(partial(call, batch), calls) for batch in batches]
        lines.append(f"| {name} | {ours[0]:.1f} ms | {ours[1]:.1f} ms |")
    return lines


def on_regions(network: FaceMesh | BodyPoints, square: Tensor) -> Callable[[Tensor], object]:
    """Return the network as a function of a batch, with one region for each picture."""
    return lambda batch: network(batch, square.repeat(len(batch), 1), torch.arange(len(batch)))


def masks_table(folder: Path) -> list[str]:
    """Return rows of each mask and way to fit: mean absolute error / intersection over union by shape."""
    lines = ["| mask | fit | " + " | ".join(CROPS) + " | all |", "|---|---|" + "---|" * (len(CROPS) + 1)]
    for kind in ("general", "wide"):
        network = files.load(f"person_{kind}", CPU)
        for way in ("stretched", "letterboxed", "stretched, antialiased"):
            means = [
                np.mean([errors(network, way, *pair) for pair in pairs(folder, crop)], 0)
                for crop in CROPS.values()
            ]
            cells = " | ".join(f"{mae:.3f} / {iou:.3f}" for mae, iou in [*means, np.mean(means, 0)])
            lines.append(f"| {kind} | {way} | {cells} |")
    return lines


def pairs(folder: Path, crop: tuple[int, int, int, int]) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield photographs (1, 3, H, W) and their mattes (1, 1, H, W), cropped, as they are and mirrored."""
    left, top, right, bottom = crop
    for path in sorted(folder.glob("*_alpha.png")):
        photo = Image.open(path.with_name(path.name.replace("_alpha.png", ".jpg"))).convert("RGB")
        picture = torch.from_numpy(np.array(photo)).permute(2, 0, 1)[None, :, top:bottom, left:right]
        matte = (
            torch.from_numpy(np.array(Image.open(path).convert("L")))[None, None, top:bottom, left:right]
            / 255
        )
        yield picture, matte
        yield picture.flip(3), matte.flip(3)


@torch.inference_mode()
def errors(network: Network, way: str, picture: Tensor, matte: Tensor) -> tuple[float, float]:
    """Return mean absolute error and intersection over union at 0.5 of the enlarged mask."""
    shape = picture.shape[2], picture.shape[3]
    size = network.input[1], network.input[2]
    fit = Fit.letterboxed(shape, size) if way == "letterboxed" else Fit.stretched(shape, size)
    if way.endswith("antialiased"):
        small = torch.nn.functional.interpolate(picture.float(), size, mode="bilinear", antialias=True) / 255
    else:
        small = fit.apply(picture, 0, 1)
    (left, top), (height, width) = fit.offset, fit.inside
    (mask,) = network(small)
    mask = mask[:, :, top : top + height, left : left + width].clone()
    mask = torch.nn.functional.interpolate(mask, shape, mode="bilinear")
    one, other = mask > 0.5, matte > 0.5
    union = (one | other).sum().item()
    return (mask - matte).abs().mean().item(), (one & other).sum().item() / union


def differences(network: Network, name: str, lite: Path) -> list[str]:
    """Return each output's largest difference to LiteRT's on the photographs."""
    source = next(source for source in SOURCES if source.name == name)
    worst = dict.fromkeys(network.outputs, 0.0)
    for photograph in NAMES:
        expected = lite_outputs(source, lite, photograph)
        picture = network_input(photograph, name, (network.input[1], network.input[2]))
        for output, value in zip(network.outputs, network(picture), strict=True):
            found = value[0].numpy().reshape(expected[output].shape)
            worst[output] = max(worst[output], float(np.abs(found - expected[output]).max()))
    return [f"{output} {value:.0e}" for output, value in worst.items()]


def quartile_ms(call: Callable[[], object], calls: int) -> float:
    """Return the lower quartile of the thread's CPU time for a call, after some that do not count."""
    for _ in range(4):
        call()
    times = []
    for _ in range(max(calls, 4)):
        begun = time.thread_time()
        call()
        times.append((time.thread_time() - begun) * 1000)
    return statistics.quantiles(times, n=4)[0]


if __name__ == "__main__":
    main()

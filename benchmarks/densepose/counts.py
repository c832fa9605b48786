"""Operators started and waits for the device, the library's loop against this worker's filter.

    python -m benchmarks.densepose.counts [--people 1] [--batches 1,4,16]

Counted on a CPU with small pictures: what is started, and how often the host must know a result before it
goes on, does not depend on their size. The filter runs as on a GPU (half precision, folded, fixed rounds of
suppression); replayed graphs would start fewer still.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.densepose.absent import stand_in

SIZE = (160, 128)


def main() -> None:
    parser = argparse.ArgumentParser(description="Operators and waits, the library against this filter.")
    parser.add_argument("--people", type=int, default=1)
    parser.add_argument("--batches", default="1,4,16")
    arguments = parser.parse_args()
    stand_in()
    from benchmarks.densepose.article import Article
    from benchmarks.densepose.crowd import BenchDensePose, write_checkpoint
    from harness.counting import count
    from inference_service.engine.memory_cameras import drawn
    from inference_service.filters.base import Item
    from inference_service.filters.densepose.network import PERSON_ROUNDS, PROPOSAL_ROUNDS

    width, height = SIZE
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "people.pkl"
        write_checkpoint(weights)
        article = Article(weights, arguments.people, "cpu", height)
        ours = BenchDensePose()
        ours.settings = ours.Settings(
            weights=weights, precision="float16", max_people=arguments.people, short_side=height
        )
        ours.load(torch.device("cpu"))
        ours._runner._network.rounds = (PROPOSAL_ROUNDS, PERSON_ROUNDS)
        pictures = drawn(SIZE, 4)
        print(f"{arguments.people} people a picture")
        for batch in (int(text) for text in arguments.batches.split(",")):
            frames = [pictures[number % len(pictures)] for number in range(batch)]
            library = count(partial(_each, article, frames))
            rgb = torch.from_numpy(
                np.random.default_rng(0).integers(0, 256, (batch, height, width, 3), np.uint8)
            )
            items = [Item(bytes(16), 0, ours.Params(min_score=0.05))] * batch
            mine = count(partial(ours.apply, rgb.permute(0, 3, 1, 2), items))
            print(
                f"{batch:3d} pictures: library {library.operators.total():6d} operators, "
                f"{library.waits.total():5d} waits; "
                f"here {mine.operators.total():5d} and {mine.waits.total():3d}"
            )


def _each(article: Any, frames: Sequence[bytes]) -> None:
    for frame in frames:
        article.frame(frame, SIZE)


if __name__ == "__main__":
    main()

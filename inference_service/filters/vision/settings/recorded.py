"""What an operator may set of a network whose work a GPU records and replays (CUDA graphs)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Annotated, Protocol

import torch
from pydantic import Field

from inference_service.filters.base import Fallback, Filter, Piece
from inference_service.filters.vision.networks.compiling import Compiled
from inference_service.filters.vision.networks.graphs import LEAST_FALLBACK, Recorder, Unrecorded, can_record
from inference_service.filters.vision.settings.network import NetworkSettings

MOST_PICTURES = 16
"""Of a batch that `by_size` records."""


class SizedSettings(NetworkSettings):
    """Base of the settings of a filter whose network's work depends on the size of the pictures."""

    cuda_graphs: bool = Field(
        default=True,
        title="CUDA graphs",
        description="Record a GPU's work once, then replay it.",
    )
    recorded_sizes: tuple[Annotated[str, Field(pattern=r"^\d{2,4}x\d{2,4}$")], ...] = Field(
        default=("640x480", "1280x720", "480x640", "720x1280"),
        max_length=8,
        title="Recorded sizes",
        description="Sizes of pictures for which that is done, most important first; so are all others that "
        "the network sees in the same size.",
    )

    def sizes_to_record(self, device: torch.device) -> list[tuple[int, int]]:
        """Return (width, height) of the pictures to record for on this device; none on a CPU."""
        if device.type != "cuda" or not self.cuda_graphs or not can_record():
            return []
        sizes = []
        for text in self.recorded_sizes:
            width, height = map(int, text.split("x"))
            sizes.append((width, height))
        return sizes

    def without_graphs(self, device: torch.device, unrecorded: Unrecorded) -> list[Fallback]:
        """Return what to say of recordings that were wished for and are not there."""
        if device.type != "cuda" or not self.cuda_graphs:
            return []
        return unrecorded.fallbacks() if can_record() else [LEAST_FALLBACK]


class RecordedSettings(SizedSettings):
    """Base of the settings of such a filter that may be compiled; each has a `warm_batch` of its own."""

    compile: bool = Field(
        default=False,
        title="Compile",
        description="Use torch.compile for what is recorded, which then takes minutes. Needs a C compiler.",
    )

    def compiling(
        self,
        compiled: Callable[[], Compiled],
        work: Callable[[], object],
        pieces: Iterable[Piece],
        fallbacks: list[Fallback],
    ) -> Iterator[Piece]:
        """Give `pieces`, which record, so that they take the compiled form where that is wished for.

        `work` is the first piece then, to try it. Where that fails, or one of the others later, nothing more
        is compiled, and `fallbacks` gets what to say.
        """
        if not self.compile:
            yield from pieces
            return
        form = compiled()
        for piece in (partial(form.tried, work), *pieces):
            yield partial(_within, form, piece, fallbacks)


def _within(form: Compiled, piece: Piece, fallbacks: list[Fallback]) -> None:
    had_failed = bool(form.failures)
    with form.used():
        piece()
    if not had_failed:
        fallbacks += form.failures


class Sized(Protocol):
    """A network whose work depends on the size of the pictures."""

    device: torch.device

    def pieces(
        self, size: tuple[int, int], most: int, recorder: Recorder, unrecorded: Unrecorded
    ) -> Iterator[Piece]:
        """Give what records its work for up to `most` pictures of `size` (height, width), if it is new."""


def by_size(made: Filter, network: Sized) -> Iterator[Piece]:
    """Give what records a filter's network for the sizes in its settings; for `Filter.recordings`."""
    settings: SizedSettings = made.settings
    sizes, unrecorded = settings.sizes_to_record(network.device), Unrecorded(network.device)
    try:
        if sizes:
            recorder = Recorder(network.device)
            for width, height in sizes:
                yield from network.pieces((height, width), MOST_PICTURES, recorder, unrecorded)
            # More would be done without recordings; half as many each time is faster.
            made.max_batch = MOST_PICTURES
    finally:
        made.fallbacks += settings.without_graphs(network.device, unrecorded)


@contextmanager
def on_device(device: torch.device) -> Iterator[None]:
    """Build and record a network for `device`, in inference mode.

    A GPU becomes this thread's own: recording would take memory of another one too otherwise.
    """
    with torch.cuda.device(device) if device.type == "cuda" else nullcontext(), torch.inference_mode():
        yield

"""What a filter is: a name, a model of parameters, `load` and `apply`.

The worker does everything else (grouping, upload, colour conversion, timing, errors); docs/filters.md
explains the whole of it with an example.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple, Self

import torch
from pydantic import BaseModel, ConfigDict

from inference_service.weights.folder import WeightsFile, WeightsFolder, default_folder
from shared.wire.data import Box, Data, Label, Points

__all__ = [
    "Box",
    "Data",
    "Fallback",
    "Filter",
    "Filtered",
    "Item",
    "Label",
    "Later",
    "Params",
    "Piece",
    "Points",
    "Settings",
]


class Params(BaseModel):
    """Base of every filter's parameters: unknown names are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Settings(BaseModel):
    """Base of what an operator chooses for a filter, once, by `--filter-settings`."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(slots=True)
class Item:
    """One camera's frame in a batch: whose it is and how it is to be filtered."""

    session: bytes
    sequence: int
    params: Any
    """An instance of the filter's own `Params`."""
    state: dict[str, Any] = field(default_factory=dict)
    """Owned by the worker, kept from frame to frame per session, new when the size changes."""
    wants_data: bool = False
    """The session's page or client listens for `Filtered.data`, or its `stats` are about to tell the labels,
    once a second; else what is told there goes nowhere."""


@dataclass(frozen=True, slots=True)
class Later:
    """Data that lies on the device: `apply` does not wait for it.

    `rows` (N, ...) is copied to the host with the pictures. `read` then makes the data of one picture of
    that picture's row, a NumPy array, in another thread.
    """

    rows: torch.Tensor
    read: Callable[[Any], Data | None]


@dataclass(frozen=True, slots=True)
class Filtered:
    """What `apply` may return in place of the pictures alone."""

    pictures: torch.Tensor
    data: Sequence[Data | None] | Later
    """Of each picture, in the order of the batch."""


Answer = Any
"""A tensor of pictures, or `Filtered`. Not their union: callers that want no data get a tensor."""


Piece = Callable[[], object]
"""A part of what a filter prepares while it already serves; see `Filter.recordings`."""


KINDS = ("graphs", "precision", "compile", "fusing", "memory", "runtime")
"""Of fallbacks."""


class Fallback(NamedTuple):
    """What a filter does without, since something has failed."""

    kind: str
    """One of KINDS, for metrics and pages."""
    text: str
    """For the log and for operators: after the filter's name, without a path."""


class Filter(ABC):
    """A filter rewrites a batch of frames; one instance serves all sessions of a worker."""

    name: ClassVar[str]
    title: ClassVar[str]
    description: ClassVar[str] = ""
    """A sentence or two for whoever chooses a filter."""
    Params: ClassVar[type[Params]] = Params
    Settings: ClassVar[type[Settings]] = Settings
    weights: ClassVar[tuple[WeightsFile, ...]] = ()
    """The files to download, for `python -m inference_service download`; `load` asks for each again."""
    keeps_state: ClassVar[bool] = False
    is_private: ClassVar[bool] = False
    """True: it hides what the camera sees, so no session that has chosen it may ever show a raw frame."""
    works_on: ClassVar[Literal["rgb", "i420"]] = "rgb"
    """`rgb`: `apply` gets (N, 3, H, W). `i420`: (N, H * 3 / 2, W), the planes as they came."""
    needs_pictures: ClassVar[bool] = True
    """False: nothing is converted or copied, `apply` gets an empty batch (N, 0, 0) and returns it, and the
    pictures go on as they came. For filters that measure or wait."""
    equal_params: ClassVar[frozenset[str] | None] = None
    """Names of the parameters that must be equal within one batch; None: all of them."""

    settings: Any
    """An instance of the filter's own `Settings`: the operator's, else the defaults."""
    weights_folder: WeightsFolder
    """Where downloaded weights lie: `self.weights_folder.get(file)` is the path, downloaded if need be."""
    max_batch: int | None = None
    """Most frames of one batch, which `load` may set; None: as many as the worker allows."""
    fallbacks: list[Fallback]
    """What `load`, `recordings` and `apply` add here is told in the log, the filter's state and the metrics;
    what `apply` adds within some seconds."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Give every instance the default settings, whatever its own `__init__` does."""
        made = super().__new__(cls)
        made.settings = cls.Settings()
        made.weights_folder = WeightsFolder(default_folder())
        made.fallbacks = []
        return made

    def needed_weights(self) -> tuple[WeightsFile, ...]:
        """Return those of `weights` that the settings ask for: all, unless a filter says otherwise."""
        return self.weights

    def needed_packages(self) -> Mapping[str, str]:
        """Return the packages that not everybody has and the settings ask for: name -> how to install it.

        Without one of them the filter counts as failed, and no weights are fetched for it.
        """
        return {}

    def needs_gpu(self) -> bool:
        """Tell whether, with these settings, a CPU cannot keep up with one camera; pages say so."""
        return False

    def gains_from_threads(self) -> bool:
        """Tell whether several threads of torch make it faster on a CPU, once loaded; before each batch."""
        return True

    def load(self, device: torch.device) -> None:  # noqa: B027 - many filters have nothing to load
        """Make the model ready on `device`; called once, in a thread of its own, before the first `apply`."""

    def recordings(self) -> Iterator[Piece]:
        """Give, piece by piece, what makes a loaded filter faster: it serves meanwhile.

        Each piece is called once, in the thread of `load`, which loads other filters in between; batches go
        on beside it. What a piece cannot do it adds to `fallbacks`. The iterator is closed where the filter
        is let go, or where memory ends.
        """
        return iter(())

    def unload(self) -> None:  # noqa: B027 - the memory of what it refers to is freed anyhow
        """Let go of what outlives this object: threads, processes, caches of a library.

        Called once, in the thread of `load`, when the filter is let go for lack of memory; no batch uses it
        then. A session that asks for it later gets a new instance, which is loaded anew.
        """

    @abstractmethod
    def apply(self, batch: torch.Tensor, items: Sequence[Item]) -> Answer:
        """Return the filtered batch: same length, order and shape, on the same device.

        `batch` is uint8 in [0, 255] on the device given to `load`. It is RGB in (N, 3, H, W), whose memory
        may be channels-last, or I420 planes in (N, H * 3 / 2, W). It may be overwritten.

        The result is uint8, or floating point in [0, 255], which the worker rounds and clamps. A
        floating-point picture with a NaN or an infinity is not shown, and its session is told that the
        filter failed.

        `Filtered` has beside the pictures what is to be told of each: boxes, points, labels, numbers.

        On a GPU all work belongs on the current stream. Whatever waits for the GPU (`.item()`, `.cpu()`,
        `nonzero`, printing) holds up every session of the worker.
        """

    def least_batch_ms(self, items: Sequence[Item]) -> float:
        """Return how long a batch of these items must last at least; the worker sleeps for the rest.

        For tests of capacity. The time runs from the start of the batch, all conversions included.
        """
        return 0.0

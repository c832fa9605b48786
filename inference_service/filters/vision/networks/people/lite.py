"""The networks on a CPU, run by LiteRT where it is installed: a quarter to two thirds of torch's time.

A network is made for it when it is loaded, of the same structure and the same weights, and used if it then
answers as torch does. Where it is missing, fails or answers otherwise, torch runs the network.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inference_service.filters.base import Fallback
from inference_service.filters.vision.networks.people.structure import Structure

logger = logging.getLogger(__name__)

Run = Callable[[Tensor], tuple[Tensor, ...]]
"""Of (N, C, H, W) float32 on the CPU."""

PACKAGE = "ai_edge_litert"
MOST_THREADS = 4
"""The networks are small: more threads wait for each other longer than they compute."""
TOLERANCE = 5e-3
"""Largest difference to torch's answer, against its largest value: a mask of noise is 1e-4 at most."""
STDERR = 2
"""The file descriptor: LiteRT's own code knows nothing of `sys.stderr`."""
INFO = b"INFO: "
"""How LiteRT begins lines that say nothing is wrong."""
FAILED = Fallback("runtime", "runs in torch, which takes longer, since LiteRT has failed")


class LiteNetwork:
    """One network; for one thread at a time."""

    def __init__(self, structure: Structure, tensors: Mapping[str, Tensor], threads: int) -> None:
        """Raise what LiteRT raises where it cannot be used."""
        from ai_edge_litert.interpreter import Interpreter

        from inference_service.filters.vision.networks.people.lite_file import pack

        model = pack(structure, tensors)
        with _native_stderr_logged():
            self._interpreter: Any = Interpreter(model_content=model, num_threads=threads)
            self._interpreter.allocate_tensors()
        self._input: int = self._interpreter.get_input_details()[0]["index"]
        self._outputs = [
            (details["index"], tuple(details["shape"][1:]))
            for details in self._interpreter.get_output_details()
        ]

    def __call__(self, batch: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs as `Network` does, one picture after the other.

        Nothing is gained here by a batch. So no numbers of pictures are prepared for.
        """
        pictures = batch.permute(0, 2, 3, 1).numpy()
        made = [np.empty((len(pictures), *shape), np.float32) for _, shape in self._outputs]
        for number in range(len(pictures)):
            self._interpreter.set_tensor(self._input, pictures[number : number + 1])
            self._interpreter.invoke()
            for (index, _), into in zip(self._outputs, made, strict=True):
                into[number] = self._interpreter.get_tensor(index)[0]
        values = (torch.from_numpy(one) for one in made)
        return tuple(one.permute(0, 3, 1, 2) if one.dim() == 4 else one for one in values)


def made(structure: Structure, tensors: Mapping[str, Tensor], by_torch: Run) -> LiteNetwork | Fallback | None:
    """Return the network, or what to say where torch has to run it; None: LiteRT is not installed."""
    if find_spec(PACKAGE) is None:
        return None
    try:
        network = LiteNetwork(structure, tensors, min(torch.get_num_threads(), MOST_THREADS))
        # The same each time.
        picture = torch.rand(1, *structure.input, generator=torch.Generator().manual_seed(1))
        if _is_alike(network(picture), by_torch(picture)):
            return network
        why = "it answers otherwise than torch"
    except Exception as exc:
        why = f"{type(exc).__name__}: {exc}"
    logger.info("LiteRT cannot run a network: %s", why)
    return FAILED


@contextmanager
def _native_stderr_logged() -> Iterator[None]:
    """Send what LiteRT writes to stderr while it starts into the log: it has no other way to be told.

    What others write meanwhile goes on to stderr.
    """
    try:
        kept = os.dup(STDERR)
    except OSError:
        # It is closed.
        yield
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), STDERR)
        try:
            yield
        finally:
            os.dup2(kept, STDERR)
            os.close(kept)
            held.seek(0)
            for line in held.read().splitlines(keepends=True):
                if line.startswith(INFO):
                    logger.debug("LiteRT: %s", line.removeprefix(INFO).decode(errors="replace").strip())
                else:
                    with suppress(OSError):
                        os.write(STDERR, line)


def _is_alike(some: tuple[Tensor, ...], others: tuple[Tensor, ...]) -> bool:
    # An answer that is not finite is like no other.
    return all(
        one.shape == other.shape and bool((one - other).abs().max() <= TOLERANCE * other.abs().max())
        for one, other in zip(some, others, strict=True)
    )

"""The networks on a CPU, run by LiteRT where it is installed: a quarter to two thirds of torch's time.

A network is made for it when it is loaded, of the same structure and the same weights, and used if it then
answers as torch does. Where it is missing, fails or answers otherwise, torch runs the network.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from functools import cache, partial
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inference_service.device import threads
from inference_service.filters.base import Fallback
from inference_service.filters.vision.networks.people.structure import Structure

logger = logging.getLogger(__name__)

Run = Callable[[Tensor], tuple[Tensor, ...]]
"""Of (N, C, H, W) float32 on the CPU."""

PACKAGE = "ai_edge_litert"
MOST_LANES = 4
"""Pictures, or networks, that are computed side by side; each by one thread.

Several threads for one small network wait for each other after each operator, and keep a core busy with that.
Beside other load that took five times the CPU.
"""
TOLERANCE = 5e-3
"""Largest difference to torch's answer, against its largest value: a mask of noise is 1e-4 at most."""
STDERR = 2
"""The file descriptor: LiteRT's own code knows nothing of `sys.stderr`."""
INFO = b"INFO: "
"""How LiteRT begins lines that say nothing is wrong."""
FAILED = Fallback("runtime", "runs in torch, which takes longer, since LiteRT has failed")


class LiteNetwork:
    """One network; for one thread at a time."""

    def __init__(self, structure: Structure, tensors: Mapping[str, Tensor], lanes: int) -> None:
        """`lanes`: how many pictures at once. Raise what LiteRT raises where it cannot be used."""
        from inference_service.filters.vision.networks.people.lite_file import pack

        model = pack(structure, tensors)
        self._lanes = [_Lane(model) for _ in range(lanes)]
        self._under_way: Sequence[_Share] = ()
        self._pid = os.getpid()

    def __call__(self, batch: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs as `Network` does."""
        return self._begun(batch, is_helping=True)()

    def begin(self, batch: Tensor) -> Callable[[], tuple[Tensor, ...]]:
        """Begin with a batch in other threads; what is returned waits for the outputs."""
        return self._begun(batch, is_helping=len(self._lanes) == 1)

    def _begun(self, batch: Tensor, *, is_helping: bool) -> Callable[[], tuple[Tensor, ...]]:
        """`is_helping`: the caller's thread begins with a share itself, before it waits for others."""
        self._settle()
        pictures = batch.permute(0, 2, 3, 1).numpy()
        made = [np.empty((len(pictures), *shape), np.float32) for shape in self._lanes[0].shapes]
        count = max(1, min(len(self._lanes), len(pictures)))
        ends = [len(pictures) * number // count for number in range(count + 1)]
        places = [slice(*of) for of in pairwise(ends)]
        calls = [
            partial(lane.run, pictures[place], [one[place] for one in made])
            for lane, place in zip(self._lanes, places, strict=False)
        ]
        own = calls[:is_helping]
        self._under_way = others = [_Share(call, len(self._lanes)) for call in calls[is_helping:]]

        def outputs() -> tuple[Tensor, ...]:
            for call in own:
                call()
            for one in others:
                one.finish()
            self._under_way = ()
            values = (torch.from_numpy(one) for one in made)
            return tuple(one.permute(0, 3, 1, 2) if one.dim() == 4 else one for one in values)

        return outputs

    def _settle(self) -> None:
        """Wait for the last batch, of which nobody may have: something else has failed meanwhile."""
        if self._pid == os.getpid():
            for one in self._under_way:
                one.give_up()
        # A fork has none of the threads that had begun.
        self._pid, self._under_way = os.getpid(), ()


class _Share:
    """A part of a batch, for a thread that is free; where none has begun, whoever waits computes it.

    So nobody waits for what waits itself, however busy the threads are, and in whatever order networks begin.
    """

    def __init__(self, call: Callable[[], None], threads: int) -> None:
        self._call = call
        self._future = _pool(os.getpid(), threads).submit(call)

    def finish(self) -> None:
        """Return when it is done; raises what it raised."""
        if self._future.cancel():
            self._call()
        else:
            self._future.result()

    def give_up(self) -> None:
        """Return when nothing computes it any more; it may be undone."""
        if not self._future.cancel():
            wait([self._future])


class _Lane:
    """One interpreter; for one thread at a time."""

    def __init__(self, model: bytes) -> None:
        from ai_edge_litert.interpreter import Interpreter

        with _native_stderr_logged():
            self._interpreter: Any = Interpreter(model_content=model, num_threads=1)
            self._interpreter.allocate_tensors()
        self._input: int = self._interpreter.get_input_details()[0]["index"]
        outputs = self._interpreter.get_output_details()
        self._outputs = [details["index"] for details in outputs]
        self.shapes = [tuple(details["shape"][1:]) for details in outputs]
        """Of the outputs of one picture."""

    def run(self, pictures: NDArray[np.float32], made: Sequence[NDArray[np.float32]]) -> None:
        """Write the outputs of pictures (n, H, W, C) into `made`, n rows each, one after the other.

        Nothing is gained here by a batch. So no numbers of pictures are prepared for.
        """
        for number in range(len(pictures)):
            self._interpreter.set_tensor(self._input, pictures[number : number + 1])
            self._interpreter.invoke()
            for index, into in zip(self._outputs, made, strict=True):
                into[number] = self._interpreter.get_tensor(index)[0]


@cache
def _pool(pid: int, count: int) -> ThreadPoolExecutor:
    """Return the threads of all networks in a process: a host has no more cores for more networks."""
    return ThreadPoolExecutor(count, "networks")


def made(structure: Structure, tensors: Mapping[str, Tensor], by_torch: Run) -> LiteNetwork | Fallback | None:
    """Return the network, or what to say where torch has to run it; None: LiteRT is not installed."""
    if find_spec(PACKAGE) is None:
        return None
    try:
        network = LiteNetwork(structure, tensors, min(threads.count(), MOST_LANES))
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

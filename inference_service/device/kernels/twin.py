"""One piece of work in two forms: torch's operators, and a Triton kernel that reads and writes it all once.

The plain form serves from the beginning, and is the only one on a CPU. On a GPU the loader's thread compiles
the kernel while filters already serve, compares its results with those of the plain form, times both on that
card, and takes the kernel only where it is faster. So no card is ever slower for it, and none is wrong.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module
from typing import Any, Generic, ParamSpec, TypeVar, cast

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from inference_service.device import captures, context
from inference_service.device.memory import is_shortage

logger = logging.getLogger(__name__)

P = ParamSpec("P")
Result = TypeVar("Result")

ROUNDS = 7
"""In which both forms take turns while they are timed; the median counts."""
UNLIKE_MEAN = 0.05
"""Most by which results may differ at the mean, as a share of what a single value may."""

_ALL: list[Twin[Any, Any]] = []
_are_used = True


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a card said of one twin."""

    name: str
    plain_ms: float
    kernel_ms: float
    """Of all samples, one after the other; the launches are part of it."""

    @property
    def is_faster(self) -> bool:
        """Tell whether the kernel is."""
        return self.kernel_ms < self.plain_ms


class Unlike(RuntimeError):
    """A kernel's results are not those of the operators that it stands for."""


class Twin(Generic[P, Result]):
    """Called as the plain form is; one for the process."""

    def __init__(
        self,
        name: str,
        plain: Callable[P, Result],
        kernel: Callable[[], Callable[..., Result]],
        samples: Callable[[torch.device], Sequence[tuple[Any, ...]]],
        off: float = 1.0,
    ) -> None:
        """`kernel` imports the other form and returns it; see `kernel_of`.

        `samples` are calls of all types that there will be, since each type is compiled by itself. No value
        of a result may differ by more than `off`, and next to none by that much.
        """
        self.name = name
        self.plain = plain
        self.load_kernel = kernel
        self.samples = samples
        self.off = off
        self._form: Callable[..., Result] | None = None
        self._is_tried = False
        self.failure: str | None = None
        """The kind of exception for which the kernel is not used; None also where it is merely slower."""
        _ALL.append(self)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Result:
        """Do the work in the form that was found to be faster."""
        form = self._form
        if form is None or not _is_on_gpu(args):
            return self.plain(*args, **kwargs)
        try:
            return form(*args, **kwargs)
        except Exception as exc:
            # What the GPU does not survive fails in the plain form too, and is seen there.
            if not is_shortage(exc):
                self._give_up(exc)
            return self.plain(*args, **kwargs)

    def decide(self, device: torch.device) -> Comparison | None:
        """Compare both forms on a GPU, and take the faster one; None where the kernel fails.

        None, too, where memory is short: then nothing is decided. Raises what has broken the GPU.
        """
        self._is_tried = True
        try:
            with torch.inference_mode(), _beside_the_loop(device):
                calls, kernel = self.compare(device)
                found = Comparison(self.name, *_timed(calls, self.plain, kernel))
        except Exception as exc:
            if is_shortage(exc):
                self._is_tried = False
                logger.info("%s is left to torch's operators as long as memory is short: %s", self.name, exc)
                return None
            self._give_up(exc)
            if context.is_broken(device, exc):
                raise
            return None
        self._form = kernel if found.is_faster else None
        logger.info(
            "%s takes %.3f ms by its kernel and %.3f ms by torch's operators: the %s is used",
            found.name,
            found.kernel_ms,
            found.plain_ms,
            "kernel" if found.is_faster else "latter",
        )
        return found

    def compare(self, device: torch.device) -> tuple[Sequence[tuple[Any, ...]], Callable[..., Result]]:
        """Return the samples and the kernel; raises Unlike where its results are not the plain form's."""
        calls, kernel, plain = (
            self.samples(device),
            self.load_kernel(),
            cast(Callable[..., Result], self.plain),
        )
        for args in calls:
            require_alike(self.name, kernel(*args), plain(*args), self.off)
        return calls, kernel

    @property
    def is_open(self) -> bool:
        """Tell whether nothing was tried yet."""
        return not self._is_tried

    def _give_up(self, exc: Exception) -> None:
        self._form, self.failure = None, type(exc).__name__
        logger.warning("%s is left to torch's operators: %s: %s", self.name, self.failure, exc)


def kernel_of(module: str, name: str) -> Callable[[], Callable[..., Any]]:
    """Return what imports a module of kernels, and gives that of this name: Triton is not everywhere."""

    def load() -> Callable[..., Any]:
        kernel: Callable[..., Any] = getattr(import_module(module), name)
        return kernel

    return load


def twins() -> list[Twin[Any, Any]]:
    """Return those of all modules that are imported so far."""
    return list(_ALL)


def pieces(device: torch.device) -> Iterator[Callable[[], object]]:
    """Give, piece by piece, what decides about each twin that nothing is known of yet; nothing on a CPU.

    For the loader's thread, while batches go on in another one. The last piece returns the memory of the
    samples to the device: torch keeps it for a stream on which nothing else is done.
    """
    if device.type != "cuda" or not _are_used:
        return
    undecided = [one for one in twins() if one.is_open]
    for one in undecided:
        yield partial(one.decide, device)
    if undecided:
        yield captures.give_back


def switch_off() -> None:
    """Let everything be done by torch's operators in this process, from now on."""
    global _are_used
    _are_used = False


def failures() -> list[str]:
    """Return the different kinds of exceptions for which kernels are not used although there is a GPU."""
    return list(dict.fromkeys(one.failure for one in twins() if one.failure is not None))


def require_alike(name: str, made: Any, expected: Any, off: float) -> None:
    """Raise Unlike unless two results have like shapes, types and, within `off`, values."""
    ours, theirs = (
        [leaf for leaf in tree_leaves(one) if isinstance(leaf, Tensor)] for one in (made, expected)
    )
    if len(ours) != len(theirs):
        raise Unlike(f"{name} gives {len(ours)} results instead of {len(theirs)}")
    for one, other in zip(ours, theirs, strict=True):
        if (one.shape, one.dtype) != (other.shape, other.dtype):
            raise Unlike(f"{name} gives {_kind(one)} instead of {_kind(other)}")
        apart = (one.float() - other.float()).abs()
        most, mean = float(apart.max()), float(apart.mean())
        if one.dtype == torch.bool:
            if most > 0:
                raise Unlike(f"{name} gives other flags")
        elif not (most <= off and mean <= off * UNLIKE_MEAN):
            raise Unlike(f"{name} is off by {most:g} at most and by {mean:g} at the mean")


def _kind(one: Tensor) -> str:
    return f"{one.dtype} of {tuple(one.shape)}"


@contextmanager
def _beside_the_loop(device: torch.device) -> Iterator[None]:
    """Work on a stream that no batch runs on, and no capture."""
    with torch.cuda.stream(_stream(device)):
        yield


@cache
def _stream(device: torch.device) -> Any:
    return torch.cuda.Stream(device)


def _timed(
    calls: Sequence[tuple[Any, ...]], plain: Callable[..., Any], kernel: Callable[..., Any]
) -> tuple[float, float]:
    """Return the milliseconds of all calls by either form: medians of rounds in which they alternate.

    Each call has a turn of its own, so that no batch begins within it and none has to wait for long.
    """
    sums = [0.0, 0.0]
    for args in calls:
        times: tuple[list[float], list[float]] = [], []
        for _ in range(ROUNDS):
            for place, form in enumerate((plain, kernel)):
                with captures.TURNS.taken():
                    times[place].append(_time_ms(form, args))
        for place, found in enumerate(times):
            sums[place] += sorted(found)[ROUNDS // 2]
    return sums[0], sums[1]


def _time_ms(form: Callable[..., Any], args: tuple[Any, ...]) -> float:
    begin, end = (torch.cuda.Event(enable_timing=True, blocking=True) for _ in range(2))
    begin.record()
    form(*args)
    end.record()
    end.synchronize()
    return float(begin.elapsed_time(end))


def _is_on_gpu(args: Sequence[object]) -> bool:
    first = args[0]
    return isinstance(first, Tensor) and first.is_cuda

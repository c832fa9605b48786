"""A network from one of this folder's weights files: checked, loaded, run.

file ── SHA-256 ── structure ── every tensor's name and shape ──> Network(device, precision) ── call(batch)

On a CPU LiteRT runs it where that is installed (`lite.py`), else torch.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from torch import Tensor

from inference_service.errors import WeightsError
from inference_service.filters.base import Fallback, Piece
from inference_service.filters.vision.networks.graphs import SMALL, Recorder, Unrecorded
from inference_service.filters.vision.networks.people.lite import FAILED, LiteNetwork, made
from inference_service.filters.vision.networks.people.operators import Function, make
from inference_service.filters.vision.networks.people.structure import Step, Structure, parse
from inference_service.filters.vision.networks.replays import Replays

logger = logging.getLogger(__name__)

KINDS = ("weight", "bias", "slope")
METADATA = "network"
"""The name under which a file's metadata hold, as JSON, its structure, its tensors' shapes and its origin."""
Pending = Callable[[], tuple[Tensor, ...]]
"""Waits for the outputs of a network that has begun, and returns them."""
NONZERO = ".nonzero"
"""Of a tensor with many zeros the others are stored, and this: a bit per value, the first one highest."""


class Network:
    """A batch in, the named outputs out, in the order of `outputs`.

    Nothing waits for the device, and all shapes follow from the batch's, so it can be recorded as a CUDA
    graph.
    """

    def __init__(
        self,
        structure: Structure,
        tensors: Mapping[str, Tensor],
        device: torch.device,
        dtype: torch.dtype,
        *,
        by_torch: bool = False,
    ) -> None:
        """`tensors` are named as `structure.py` says, of any floating type, on any device.

        `by_torch`: torch runs it also on a CPU. Raises WeightsError if one is missing.
        """
        self.input = structure.input
        self.outputs = tuple(structure.outputs)
        self.device = device
        self.dtype = dtype
        self._replays = Replays(SMALL)
        self._results = tuple(structure.outputs.values())
        self._calls = [
            _call(step, structure, position, _of(step, tensors, device, dtype))
            for position, step in enumerate(structure.steps)
        ]
        self._lite: LiteNetwork | None = None
        self.fallback: Fallback | None = None
        self.on_fallback: Callable[[Fallback], object] = lambda fallback: None
        """Called, in the thread of the call, where LiteRT fails later than when it was made."""
        if device.type == "cpu" and dtype == torch.float32 and not by_torch:
            found = made(structure, tensors, torch.inference_mode()(self._run))
            self._lite = found if isinstance(found, LiteNetwork) else None
            self.fallback = found if isinstance(found, Fallback) else None

    @property
    def runtime(self) -> str:
        """What runs it: `LiteRT` or `torch`."""
        return "torch" if self._lite is None else "LiteRT"

    def __len__(self) -> int:
        """Return the number of steps."""
        return len(self._calls)

    @torch.inference_mode()
    def __call__(self, batch: Tensor, *, is_lent: bool = False) -> tuple[Tensor, ...]:
        """Return the outputs of (N, C, H, W), each with N first; the batch is left as it is.

        What `is_lent` may be written over by the next call, and must not leave the stream.
        """
        if (lite := self._lite) is not None:
            try:
                return lite(batch.to(self.dtype))
            except Exception as exc:
                self._fail(exc)
        return self._replays.run("", self._run, batch, is_lent=is_lent)

    @torch.inference_mode()
    def begin(self, batch: Tensor, *, is_lent: bool = False) -> Pending:
        """Begin what a call does, and return what waits for its outputs.

        On a CPU LiteRT computes meanwhile in other threads. Elsewhere this is as a call.
        """
        if (lite := self._lite) is not None:
            try:
                return self._waiting(lite.begin(batch.to(self.dtype)), batch)
            except Exception as exc:
                self._fail(exc)
        made = self(batch, is_lent=is_lent)
        return lambda: made

    def _waiting(self, outputs: Pending, batch: Tensor) -> Pending:
        def waited() -> tuple[Tensor, ...]:
            try:
                return outputs()
            except Exception as exc:
                self._fail(exc)
            return self(batch)

        return waited

    def _fail(self, exc: Exception) -> None:
        logger.warning("LiteRT has failed, and torch goes on: %s: %s", type(exc).__name__, exc)
        self._lite, self.fallback = None, FAILED
        self.on_fallback(FAILED)

    def pieces(self, most: int, recorder: Recorder, unrecorded: Unrecorded, name: str) -> Iterator[Piece]:
        """Give the pieces that record calls of up to `most` rows."""
        rows = torch.zeros(most, *self.input, dtype=self.dtype, device=self.device)
        rows = rows.to(memory_format=torch.channels_last)
        yield from self._replays.pieces("", self._run, (rows,), recorder, unrecorded, name)

    def _run(self, batch: Tensor) -> tuple[Tensor, ...]:
        values = {0: batch.to(self.dtype).contiguous(memory_format=torch.channels_last)}
        for call in self._calls:
            values[call.output] = call.function(*[values[number] for number in call.inputs])
            for number in call.dead:
                del values[number]
        return tuple(values[number] for number in self._results)


@dataclass(frozen=True, slots=True)
class _Call:
    """One step's function, from which values to which, and which of them nobody needs afterwards."""

    function: Function
    inputs: tuple[int, ...]
    output: int
    dead: tuple[int, ...]


def _call(step: Step, structure: Structure, position: int, tensors: Mapping[str, Tensor]) -> _Call:
    needed = {number for later in structure.steps[position + 1 :] for number in later.inputs}
    needed.update(structure.outputs.values())
    dead = tuple(sorted(set(step.inputs) - needed))
    # Value 0 is the caller's batch.
    may_overwrite = tuple(number in dead and number != 0 for number in step.inputs)
    try:
        function = make(step, tensors, may_overwrite)
    except KeyError as exc:
        raise WeightsError(f"the weights file lacks {step.output}.{exc.args[0]} ({step.op})") from None
    return _Call(function, step.inputs, step.output, dead)


def _of(
    step: Step, tensors: Mapping[str, Tensor], device: torch.device, dtype: torch.dtype
) -> dict[str, Tensor]:
    found = {kind: tensors.get(f"{step.output}.{kind}") for kind in KINDS}
    return {kind: tensor.to(device, dtype) for kind, tensor in found.items() if tensor is not None}


def load_network(
    path: Path,
    sha256: str,
    device: torch.device,
    dtype: torch.dtype,
    outputs: Sequence[str] = (),
    *,
    by_torch: bool = False,
) -> Network:
    """Return the network of `path` with these outputs only (none named: all); `by_torch` as in `Network`.

    Raises WeightsError if the file cannot be read, or is not the one whose SHA-256 sum is `sha256`.
    """
    structure, tensors = read(checked(path, sha256))
    structure = structure.pruned(outputs) if outputs else structure
    return Network(structure, tensors, device, dtype, by_torch=by_torch)


def checked(path: Path, sha256: str) -> bytes:
    """Return a file's content. Raises WeightsError if it cannot be read or has another SHA-256 sum."""
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise WeightsError(
            f"the weights {path.name} cannot be read ({exc.strerror}); install the project again"
        ) from exc
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise WeightsError(
            f"the weights {path.name} are not those of this version: their SHA-256 sum begins with "
            f"{found[:12]} instead of {sha256[:12]}; install the project again"
        )
    return content


def read(content: bytes) -> tuple[Structure, dict[str, Tensor]]:
    """Return the structure in a weights file and its tensors, zeros filled in; whatever its sum is.

    Raises WeightsError where it is damaged, or a tensor is missing, unknown or of another shape than written.
    """
    try:
        tensors = load_tensors(content)
    except (SafetensorError, ValueError, TypeError) as exc:
        raise WeightsError(f"the weights are damaged or no safetensors file ({exc})") from exc
    # The format: a little-endian u64 length, then a JSON header with the metadata under this name.
    length = int.from_bytes(content[:8], "little")
    about = json.loads(content[8 : 8 + length]).get("__metadata__", {}).get(METADATA)
    if about is None:
        raise WeightsError("the weights file says nothing of a network's structure")
    about = json.loads(about)
    shapes: dict[str, list[int]] = about["shapes"]
    if tensors.keys() != shapes.keys() | {name + NONZERO for name in shapes if name + NONZERO in tensors}:
        odd = sorted({name.removesuffix(NONZERO) for name in tensors} ^ shapes.keys())
        raise WeightsError(f"the weights file and its list of tensors differ in {', '.join(odd[:3])}")
    structure = parse(about["structure"])
    return structure, {name: _dense(name, tensors, shape) for name, shape in shapes.items()}


def _dense(name: str, tensors: Mapping[str, Tensor], shape: list[int]) -> Tensor:
    values = tensors[name]
    if name + NONZERO in tensors:
        bits = np.unpackbits(tensors[name + NONZERO].numpy())
        is_nonzero = torch.from_numpy(bits).bool()[: int(np.prod(shape))]
        if int(is_nonzero.sum()) != values.numel():
            raise WeightsError(
                f"the weights file has {values.numel()} values for {name}, not as many as bits"
            )
        dense = torch.zeros(is_nonzero.shape, dtype=values.dtype)
        dense[is_nonzero] = values
        values = dense
    if values.numel() != int(np.prod(shape)):
        raise WeightsError(f"{name} has {values.numel()} values, which do not make {shape}")
    return values.reshape(shape)

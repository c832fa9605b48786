"""Triton without a GPU: kernels are interpreted, or compiled for a card that is not there.

    python -m harness.kernels [--architecture 75 ...]

compiles each kernel that `inference_service` has, as its own samples call it, and prints a line for each.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import patch

INTERPRET = "TRITON_INTERPRET"
ARCHITECTURES = (75, 80, 86, 89, 90, 100, 120)
"""Compute capabilities: T4, A100, A10, L4 and 4090, H100 and H200, B200, 5090."""


def interpret() -> None:
    """Let kernels run on a CPU, slowly, in this process and its children; before Triton is imported."""
    if not any(Path(device).exists() for device in ("/dev/nvidiactl", "/dev/dxg")):
        os.environ.setdefault(INTERPRET, "1")


def device() -> Any:
    """Return the torch device on which kernels run here: a GPU, or the CPU, where they are interpreted."""
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def by_torch(form: Callable[..., Any], *args: Any) -> Any:
    """Return what torch's operators make of these arguments on a GPU, where it is OpenCV's work on a CPU."""
    from torch import Tensor
    from torch.utils._pytree import tree_map

    from harness.pretended_gpu import on_gpu, on_host, pretended_gpu

    if device().type == "cuda":
        return form(*args)
    with pretended_gpu():
        there = (on_gpu(one) if isinstance(one, Tensor) else one for one in args)
        return tree_map(lambda one: on_host(one) if isinstance(one, Tensor) else one, form(*there))


@dataclass(slots=True)
class Compiled:
    """One kernel for one type of its tensors."""

    name: str
    architecture: int
    registers: int
    """Of a thread."""
    spilled_bytes: int
    """Of a thread, to memory, since registers are short."""
    shared_bytes: int


@dataclass
class PretendedCard:
    """What Triton asks of a driver; its kernels are compiled, and launched nowhere."""

    architecture: int
    made: list[Compiled] = field(default_factory=list)
    launches: int = 0

    def get_current_target(self) -> Any:
        from triton.backends.compiler import GPUTarget

        return GPUTarget("cuda", self.architecture, 32)

    def get_current_device(self) -> int:
        return self.architecture

    def get_current_stream(self, device: int) -> int:
        return 0

    def launcher_cls(self, source: object, metadata: object) -> Any:
        def launch(*args: object) -> None:
            self.launches += 1

        return launch

    @property
    def utils(self) -> PretendedCard:
        return self

    def get_device_properties(self, device: int) -> dict[str, int]:
        # A T4's.
        return {"max_shared_mem": 64 << 10}

    def load_binary(self, name: str, cubin: bytes, shared: int, device: int) -> tuple[Any, ...]:
        registers, spilled = _resources(cubin)
        self.made.append(Compiled(name, self.architecture, registers, spilled, shared))
        return name, None, registers, spilled, 1024

    def unload_module(self, module: object) -> None:
        pass


@contextmanager
def pretended_card(architecture: int) -> Iterator[PretendedCard]:
    """Let Triton compile for a card of this compute capability."""
    import triton

    card = PretendedCard(architecture)
    with patch.object(triton.runtime.driver, "_active", card):
        yield card


def compiled(architecture: int) -> list[Compiled]:
    """Return all kernels of the project, compiled for a card of this compute capability."""
    import torch

    from inference_service.device.kernels import twin

    import_all()
    with pretended_card(architecture) as card:
        for one in twin.twins():
            kernel = one.load_kernel()
            for args in one.samples(torch.device("cpu")):
                kernel(*args)
    return card.made


def import_all() -> None:
    """Import all that has kernels."""
    import_module("inference_service.engine.applying")
    from inference_service.filters.installed import BUILT_IN, installed

    points = installed()
    for name in BUILT_IN:
        points[name].load()


def _resources(cubin: bytes) -> tuple[int, int]:
    import re
    import subprocess
    import tempfile

    import triton

    tool = Path(triton.__file__).parent / "backends/nvidia/bin/cuobjdump"
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        run = subprocess.run([tool, "-res-usage", file.name], capture_output=True, text=True, check=True)
    found = re.search(r"REG:(\d+) STACK:(\d+)", run.stdout)
    if found is None:
        raise RuntimeError(f"cuobjdump says nothing of registers: {run.stdout}")
    return int(found[1]), int(found[2])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--architecture", type=int, nargs="+", default=ARCHITECTURES, metavar="NUMBER")
    given = parser.parse_args()
    print("| kernel | architecture | registers | spilled | shared |")
    print("|---|---|---|---|---|")
    for architecture in given.architecture:
        for made in compiled(architecture):
            cells = made.registers, made.spilled_bytes, made.shared_bytes
            print(f"| `{made.name}` | {architecture} | {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    main()

"""The GPUs that this process can use; one that is there and cannot be used is an error, never a quiet CPU."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from inference_service.errors import DeviceError

DRIVER = Path("/proc/driver/nvidia/version")
CONTROL = Path("/dev/nvidiactl")
"""There once a driver is loaded, in a container too that may use a GPU."""
HIDING = ("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES")
REMEDY = "see docs/deployment.md#gpus, or choose --device cpu"


@dataclass(frozen=True, slots=True)
class Gpu:
    """A CUDA device of this process; `uuid` names the same one in every process and container."""

    index: int
    uuid: str
    name: str


def list_gpus(wish: str = "auto") -> list[Gpu]:
    """Return the CUDA devices that torch can use; none without a driver, or where the wish is `cpu`.

    Raises DeviceError where there is a GPU and torch cannot use it. Takes no memory of any.
    """
    if wish == "cpu":
        return []
    if not torch.cuda.is_available():
        if torch.version.cuda and _is_there(os.environ):
            raise DeviceError(f"there is a GPU that cannot be used: {_why()} ({_driver()}); {REMEDY}")
        return []
    gpus, unfit = [], []
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        capability = (properties.major, properties.minor)
        if has_kernels(capability, torch.cuda.get_arch_list()):
            gpus.append(Gpu(index, str(getattr(properties, "uuid", index)), properties.name))
        else:
            unfit.append(f"{properties.name} (compute capability {capability[0]}.{capability[1]})")
    if unfit and not gpus:
        raise DeviceError(f"this torch has no kernels for {', '.join(unfit)}; {REMEDY}")
    return gpus


def has_kernels(capability: tuple[int, int], architectures: list[str]) -> bool:
    """Tell whether a GPU runs what was built for these, as `sm_86` or `compute_90`.

    Machine code runs on the same major version from its own minor on, intermediate code (PTX) on all later
    ones (CUDA C Programming Guide, "Binary Compatibility" and "PTX Compatibility").
    """
    for text in architectures:
        kind, _, number = text.partition("_")
        digits = number.rstrip("af")
        built = (int(digits[:-1]), int(digits[-1]))
        if kind == "compute" and capability >= built:
            return True
        if kind == "sm" and capability[0] == built[0] and capability >= built:
            return True
    return False


def try_out(device: torch.device) -> None:
    """Compute something on a device that was taken; raises DeviceError where that fails."""
    try:
        is_right = bool((torch.ones(8, device=device) + 1).sum().item() == 16)
    except RuntimeError as exc:
        raise DeviceError(f"{device} cannot compute: {_first_line(exc)} ({_driver()}); {REMEDY}") from exc
    if not is_right:
        raise DeviceError(f"{device} computes wrongly ({_driver()})")


def _is_there(environment: Mapping[str, str]) -> bool:
    hidden = ("", "-1", "none", "void", "NoDevFiles")
    return CONTROL.exists() and not any(environment.get(name, "all") in hidden for name in HIDING)


def _why() -> str:
    try:
        torch.cuda.init()  # type: ignore[no-untyped-call]
    except (RuntimeError, AssertionError) as exc:
        return _first_line(exc)
    return f"torch for CUDA {torch.version.cuda} finds no device"


def _first_line(exc: BaseException) -> str:
    return (str(exc).splitlines() or [type(exc).__name__])[0][:200]


def _driver() -> str:
    try:
        first = DRIVER.read_text().splitlines()[0]
    except (OSError, IndexError):
        return "driver of unknown version"
    version = next((word for word in first.split() if word[0].isdigit() and "." in word), "unknown")
    return f"NVIDIA driver {version}"

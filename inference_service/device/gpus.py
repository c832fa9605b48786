"""The GPUs that this process can use; one that is there and cannot be used is an error, never a quiet CPU."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from inference_service.errors import DeviceError

logger = logging.getLogger(__name__)

DRIVER = Path("/proc/driver/nvidia/version")
CONTROL = Path("/dev/nvidiactl")
"""There once a driver is loaded, in a container too that may use a GPU."""
WSL = Path("/dev/dxg")
WSL_DRIVERS = (Path("/usr/lib/wsl/lib"), Path("/usr/lib/wsl/drivers"))
"""In Windows' Subsystem for Linux there is no control device; NVIDIA's library lies somewhere below these."""
HIDING = ("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES")
ALLOCATOR = ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF")
GROWING = "expandable_segments:"
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
    """Compute something on a device that was taken; raises DeviceError where that fails.

    torch's memory that grows (`expandable_segments`) is switched off where the driver does not have it: in
    WSL2, also where it works at first, and on some virtual GPUs.
    """
    if WSL.exists() and _grows():
        _grow_no_more("this is WSL2")
    try:
        is_right = _computes(device)
    except RuntimeError as exc:
        if not _grows():
            raise _useless(device, exc) from exc
        _grow_no_more(_first_line(exc))
        try:
            is_right = _computes(device)
        except RuntimeError as again:
            raise _useless(device, again) from again
    if not is_right:
        raise DeviceError(f"{device} computes wrongly ({_driver()})")


def _computes(device: torch.device) -> bool:
    return bool((torch.ones(8, device=device) + 1).sum().item() == 16)


def _useless(device: torch.device, exc: RuntimeError) -> DeviceError:
    return DeviceError(f"{device} cannot compute: {_first_line(exc)} ({_driver()}); {REMEDY}")


def _grows() -> bool:
    return any(f"{GROWING}True" in os.environ.get(name, "") for name in ALLOCATOR)


def _grow_no_more(why: str) -> None:
    logger.warning("the GPU's memory is taken in pieces of fixed size (%sFalse): %s", GROWING, why)
    # The second is that of torch before 2.9.
    change = getattr(torch._C, "_accelerator_setAllocatorSettings", None)
    change = change or torch.cuda.memory._set_allocator_settings
    for name in ALLOCATOR:
        if f"{GROWING}True" in (said := os.environ.get(name, "")):
            os.environ[name] = said.replace(f"{GROWING}True", f"{GROWING}False")
            change(os.environ[name])


def _is_there(environment: Mapping[str, str]) -> bool:
    hidden = ("", "-1", "none", "void", "NoDevFiles")
    return (CONTROL.exists() or _is_in_wsl()) and not any(
        environment.get(name, "all") in hidden for name in HIDING
    )


def _is_in_wsl() -> bool:
    return WSL.exists() and any(next(folder.rglob("libcuda.so.1*"), None) for folder in WSL_DRIVERS)


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

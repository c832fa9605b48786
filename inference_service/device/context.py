"""A process's hold on its GPU (the CUDA context): each thread enters it, and a failure may end it."""

from __future__ import annotations

import torch

from inference_service.device import threads
from inference_service.device.captures import TURNS
from inference_service.device.memory import is_shortage

CUDA_WORDS = ("cuda", "cudnn", "cublas", "cusolver", "nvrtc")


def enter(device: torch.device) -> None:
    """Make a GPU the calling thread's own; each new thread has the first one, and would hold memory there."""
    threads.enter()
    if device.type == "cuda":
        torch.cuda.set_device(device)
        forbid_shortcuts()


def forbid_shortcuts() -> None:
    """Undo what a plug-in may have switched on for the whole process.

    TF32's 10-bit factors would spoil sums of squares. cuDNN's trials stop the loop, and break captures.
    """
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.benchmark = False


def is_broken(device: torch.device, exc: BaseException) -> bool:
    """Tell whether a failure was the end of this process's GPU: all that it is asked from then on fails.

    So it is after an illegal address and after faults of the hardware.
    """
    if device.type != "cuda" or not isinstance(exc, RuntimeError) or is_shortage(exc):
        return False
    if not any(word in str(exc).lower() for word in CUDA_WORDS):
        return False
    try:
        # A capture would not survive it.
        with TURNS.taken():
            torch.cuda.synchronize(device)
    except RuntimeError:
        return True
    return False

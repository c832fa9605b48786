from __future__ import annotations

import os
from types import SimpleNamespace

import pytest
import torch

from inference_service.device import gpus
from inference_service.errors import DeviceError

ARCHITECTURES = ["sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120", "compute_120"]
OLD = "The NVIDIA driver on your system is too old (found version 12020).\nPlease update it."


@pytest.fixture
def old_driver(tmp_path, monkeypatch):
    """A host with a GPU whose driver is too old for torch."""
    (tmp_path / "version").write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun\n")
    (tmp_path / "nvidiactl").touch()
    monkeypatch.setattr(gpus, "DRIVER", tmp_path / "version")
    monkeypatch.setattr(gpus, "CONTROL", tmp_path / "nvidiactl")
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for name in gpus.HIDING:
        monkeypatch.delenv(name, raising=False)

    def init():
        raise RuntimeError(OLD)

    monkeypatch.setattr(torch.cuda, "init", init)


@pytest.mark.parametrize("wish", ["auto", "cuda", "cuda:0"])
def test_a_gpu_that_cannot_be_used_is_an_error_with_the_drivers_version(old_driver, wish):
    with pytest.raises(DeviceError, match=r"too old .*12020\)\. \(NVIDIA driver 535\.183\.01\)"):
        gpus.list_gpus(wish)


def test_it_is_none_for_who_wants_a_cpu_or_hides_the_gpus(old_driver, monkeypatch):
    assert gpus.list_gpus("cpu") == []
    for name, value in (("CUDA_VISIBLE_DEVICES", ""), ("NVIDIA_VISIBLE_DEVICES", "void")):
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            assert gpus.list_gpus() == []


def test_without_a_driver_or_with_a_torch_for_cpus_there_is_none(old_driver, monkeypatch, tmp_path):
    with monkeypatch.context() as patch:
        patch.setattr(torch.version, "cuda", None)
        assert gpus.list_gpus() == []
    monkeypatch.setattr(gpus, "CONTROL", tmp_path / "not there")
    assert gpus.list_gpus() == []


def test_in_wsl_there_is_one_where_there_is_its_library(old_driver, monkeypatch, tmp_path):
    monkeypatch.setattr(gpus, "CONTROL", tmp_path / "not there")
    monkeypatch.setattr(gpus, "WSL", tmp_path / "dxg")
    monkeypatch.setattr(gpus, "WSL_DRIVERS", (tmp_path / "lib", tmp_path / "drivers"))
    (tmp_path / "dxg").touch()
    assert gpus.list_gpus() == []
    (tmp_path / "drivers" / "nv.inf").mkdir(parents=True)
    (tmp_path / "drivers" / "nv.inf" / "libcuda.so.1.1").touch()
    with pytest.raises(DeviceError, match="there is a GPU that cannot be used"):
        gpus.list_gpus()


class Allocator:
    """torch's memory on a driver where it cannot grow."""

    def __init__(self, monkeypatch, tmp_path, *, is_wsl, fails=True):
        self.is_growing, self.tries = True, 0
        self.fails = fails
        (tmp_path / "dxg").touch()
        monkeypatch.setattr(gpus, "WSL", tmp_path / ("dxg" if is_wsl else "not there"))
        monkeypatch.setattr(gpus, "_computes", self.computes)
        monkeypatch.setattr(torch._C, "_accelerator_setAllocatorSettings", self.set)

    def computes(self, device):
        self.tries += 1
        if self.is_growing and self.fails:
            raise RuntimeError("CUDA driver error: unknown error\nmore")
        return True

    def set(self, text):
        assert text == "expandable_segments:False,max_split_size_mb:64"
        self.is_growing = False


@pytest.mark.parametrize(("is_wsl", "tries"), [(True, 1), (False, 2)])
def test_memory_that_cannot_grow_is_taken_in_pieces(monkeypatch, tmp_path, caplog, is_wsl, tries):
    made = Allocator(monkeypatch, tmp_path, is_wsl=is_wsl)
    monkeypatch.setenv("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True,max_split_size_mb:64")
    gpus.try_out(torch.device("cuda", 0))
    assert not made.is_growing
    assert made.tries == tries
    assert os.environ["PYTORCH_CUDA_ALLOC_CONF"] == "expandable_segments:False,max_split_size_mb:64"
    assert "pieces of fixed size" in caplog.text


def test_memory_that_can_grow_does_and_a_failure_for_another_reason_is_one(monkeypatch, tmp_path):
    made = Allocator(monkeypatch, tmp_path, is_wsl=False, fails=False)
    monkeypatch.setenv("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")
    gpus.try_out(torch.device("cuda", 0))
    assert made.is_growing
    monkeypatch.delenv("PYTORCH_CUDA_ALLOC_CONF")
    made.fails = True
    with pytest.raises(DeviceError, match=r"cuda:0 cannot compute: CUDA driver error: unknown error \("):
        gpus.try_out(torch.device("cuda", 0))
    assert made.is_growing


@pytest.mark.parametrize(
    ("capability", "has"),
    [((7, 0), False), ((7, 5), True), ((8, 9), True), ((9, 0), True), ((12, 1), True), ((13, 0), True)],
)
def test_a_gpu_runs_what_was_built_for_its_kind_or_as_ptx_for_an_earlier_one(capability, has):
    assert gpus.has_kernels(capability, ARCHITECTURES) is has


def test_ptx_runs_on_no_earlier_gpu():
    assert not gpus.has_kernels((8, 0), ["compute_90", "sm_86", "sm_90a"])


@pytest.mark.parametrize("others", [[], [SimpleNamespace(name="T4", major=7, minor=5, uuid="b")]])
def test_gpus_that_torch_has_no_kernels_for_are_left_out(monkeypatch, others):
    cards = [SimpleNamespace(name="V100", major=7, minor=0, uuid="a"), *others]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(cards))
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: cards[index])
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ARCHITECTURES)
    if others:
        assert [gpu.index for gpu in gpus.list_gpus()] == [1]
    else:
        with pytest.raises(DeviceError, match=r"no kernels for V100 \(compute capability 7.0\)"):
            gpus.list_gpus()


def test_a_device_that_fails_its_first_sum_is_refused(monkeypatch):
    gpus.try_out(torch.device("cpu"))
    monkeypatch.setattr(torch, "ones", lambda *size, device: torch.zeros(8))
    with pytest.raises(DeviceError, match="computes wrongly"):
        gpus.try_out(torch.device("cpu"))

from __future__ import annotations

import os

import pytest
import torch

from inference_service.device.memory import UNKNOWN, HostMemory, is_shortage, of_device

MIB = 1 << 20


def write(root, files):
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


@pytest.fixture
def host(tmp_path):
    def make(files):
        write(tmp_path, {"proc/meminfo": f"MemTotal: 9 kB\nMemAvailable:  {900 * 1024} kB\n", **files})
        return HostMemory(tmp_path / "proc", tmp_path / "cgroup")

    return make


def test_a_host_without_limits_has_what_the_kernel_says_is_available(host):
    files = {"proc/self/cgroup": "0::/user.slice\n", "cgroup/user.slice/memory.max": "max\n"}
    assert host(files).free_bytes() == 900 * MIB


@pytest.mark.parametrize("where", ["cgroup", "cgroup/a", "cgroup/a/b"])
def test_a_group_of_version_2_bounds_it_whichever_of_its_parents_has_the_limit(host, where):
    files = {
        "proc/self/cgroup": "0::/a/b\n",
        f"{where}/memory.max": str(500 * MIB),
        f"{where}/memory.current": str(450 * MIB),
        f"{where}/memory.stat": f"anon 1\ninactive_file {30 * MIB}\n",
    }
    assert host(files).free_bytes() == 80 * MIB


def test_a_group_of_version_1_bounds_it_where_its_path_is_only_the_hosts(host):
    files = {
        "proc/self/cgroup": "5:cpu,cpuacct:/x\n4:memory:/docker/123\n0::/x\n",
        "cgroup/memory/memory.limit_in_bytes": str(300 * MIB),
        "cgroup/memory/memory.usage_in_bytes": str(100 * MIB),
    }
    assert host(files).free_bytes() == 200 * MIB


def test_where_nothing_is_said_memory_is_taken_to_be_there(tmp_path):
    memory = HostMemory(tmp_path, tmp_path)
    assert (memory.free_bytes(), memory.held_bytes()) == (UNKNOWN, 0)


def test_what_this_process_holds_grows_with_what_it_takes():
    memory = of_device(torch.device("cpu"))
    before_bytes = memory.held_bytes()
    taken = torch.ones(64 * MIB, dtype=torch.uint8)
    assert memory.held_bytes() - before_bytes > 48 * MIB
    assert 0 < memory.free_bytes() <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    del taken


def test_a_lack_of_memory_is_known_by_its_error():
    with pytest.raises(RuntimeError) as raised:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert is_shortage(raised.value)
    assert is_shortage(MemoryError())
    assert not is_shortage(RuntimeError("shapes differ"))


@pytest.mark.gpu
def test_a_gpu_says_what_is_free_and_what_tensors_hold():
    memory = of_device(torch.device("cuda", 0))
    free_bytes, held_bytes = memory.free_bytes(), memory.held_bytes()
    taken = torch.empty(64 * MIB, dtype=torch.uint8, device="cuda:0")
    assert memory.held_bytes() - held_bytes == 64 * MIB
    assert free_bytes - memory.free_bytes() >= 60 * MIB
    del taken
    memory.give_back()
    assert memory.held_bytes() == held_bytes


@pytest.mark.parametrize(
    "text",
    [
        "CUDA error: out of memory",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
        "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes",
    ],
)
def test_a_driver_and_its_libraries_say_in_their_own_words_that_memory_is_short(text):
    assert is_shortage(RuntimeError(text))
    assert not is_shortage(ValueError(text))


def test_what_graphs_keep_counts_as_held(monkeypatch):
    snapshot = [
        {"device": 0, "segment_pool_id": (0, 0), "total_size": 50 * MIB, "allocated_size": 20 * MIB},
        {"device": 0, "segment_pool_id": (0, 1), "total_size": 40 * MIB, "allocated_size": 10 * MIB},
        {"device": 1, "segment_pool_id": (0, 2), "total_size": 9 * MIB, "allocated_size": 0},
    ]
    monkeypatch.setattr(torch.cuda, "memory_snapshot", lambda: snapshot)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 30 * MIB)
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 90 * MIB)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (100 * MIB, 200 * MIB))
    memory = of_device(torch.device("cuda", 0))
    assert memory.held_bytes() == 60 * MIB
    assert memory.free_bytes() == 130 * MIB

from __future__ import annotations

import os
import signal

import pytest
import torch

from inference_service.device import choice
from inference_service.device.gpus import Gpu
from inference_service.errors import DeviceError

GPUS = [Gpu(0, "GPU-aaaa", "A"), Gpu(1, "GPU-bbbb", "B"), Gpu(2, "GPU-cccc", "C")]


def test_auto_without_a_gpu_is_the_cpu_and_touches_no_file(tmp_path):
    folder = tmp_path / "never made"
    assert choice.take("auto", [], folder).torch == torch.device("cpu")
    assert choice.take("cpu", GPUS, folder).label == "cpu"
    assert not folder.exists()


def test_auto_takes_the_gpu_that_fewest_workers_have(tmp_path):
    held = [choice.take("auto", GPUS, tmp_path) for _ in range(6)]
    assert sorted(one.torch.index for one in held[:3]) == [0, 1, 2]
    assert sorted(one.torch.index for one in held[3:]) == [0, 1, 2]


def test_a_gpu_chosen_by_number_counts_for_the_others(tmp_path):
    held = [choice.take("cuda:0", GPUS[:2], tmp_path) for _ in range(2)]
    held += [choice.take("auto", GPUS[:2], tmp_path) for _ in range(2)]
    assert [one.torch.index for one in held] == [0, 0, 1, 1]
    assert held[0].label == "cuda:0 (A)"


def test_a_released_gpu_is_taken_next(tmp_path):
    held = [choice.take("auto", GPUS, tmp_path) for _ in range(3)]
    held[1].release()
    held[1].release()
    assert choice.take("auto", GPUS, tmp_path).torch == held[1].torch


def test_gpus_are_told_apart_by_uuid_not_by_number(tmp_path):
    first = choice.take("auto", [Gpu(0, "GPU-aaaa", "A"), Gpu(1, "GPU-bbbb", "B")], tmp_path)
    # Another container sees the same two in the other order.
    second = choice.take("auto", [Gpu(0, "GPU-bbbb", "B"), Gpu(1, "GPU-aaaa", "A")], tmp_path)
    assert (first.label, second.label) == ("cuda:0 (A)", "cuda:0 (B)")


def test_the_lock_of_a_killed_worker_vanishes(tmp_path):
    reading, writing = os.pipe()
    # Forked, since a process of its own would import torch for seconds to take a lock.
    other = os.fork()
    if other == 0:
        try:
            held = choice.take("cuda:1", GPUS[:2], tmp_path)
            os.write(writing, str(held.torch.index).encode())
            signal.pause()
        finally:
            os._exit(1)
    is_there = True
    try:
        assert os.read(reading, 1) == b"1"
        assert choice.take("auto", GPUS[:2], tmp_path).torch.index == 0
        os.kill(other, signal.SIGKILL)
        os.waitpid(other, 0)
        is_there = False
        assert choice.take("auto", GPUS[:2], tmp_path).torch.index == 1
    finally:
        os.close(reading)
        os.close(writing)
        if is_there:
            os.kill(other, signal.SIGKILL)
            os.waitpid(other, 0)


def test_a_wish_that_cannot_be_met_says_what_there_is(tmp_path):
    with pytest.raises(DeviceError, match=r"cuda:3 .* there are only cuda:0, cuda:1, cuda:2"):
        choice.take("cuda:3", GPUS, tmp_path)
    with pytest.raises(DeviceError, match="no CUDA device"):
        choice.take("cuda", [], tmp_path)


def test_a_folder_that_cannot_be_used_is_named_with_its_variable(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DeviceError, match="P2PCAMERA_RUN_DIR"):
        choice.take("auto", GPUS, tmp_path / "file" / "folder")


def test_a_lock_file_that_is_a_link_is_refused(tmp_path):
    (tmp_path / "device.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DeviceError, match="lock files"):
        choice.take("auto", GPUS, tmp_path)
    assert not (tmp_path / "elsewhere").exists()

"""Gradings on pictures: by OpenCV on a CPU, by gathering on a GPU; both agree to within 2 of 255."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from inference_service.filters.grade.grading import Bytes, Grading
from inference_service.filters.vision.rows import upload


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be done to one picture; `shade` is (H, W) uint8, None where there is no vignette."""

    grading: Grading
    strength: float
    shade: Bytes | None


def graded(batch: Tensor, orders: Sequence[Order]) -> Tensor:
    """Return (N, 3, H, W) uint8 RGB pictures, each by its own order; `batch` may be overwritten."""
    return on_cpu(batch, orders) if batch.device.type == "cpu" else on_device(batch, orders)


def on_cpu(batch: Tensor, orders: Sequence[Order]) -> Tensor:
    import cv2  # Only on a CPU.

    pictures = batch.permute(0, 2, 3, 1).contiguous().numpy()
    for image_rgb, order in zip(pictures, orders, strict=True):
        step = cv2.LUT(image_rgb, order.grading.first[None])
        step = cv2.transform(step, order.grading.matrix)
        step = cv2.LUT(step, order.grading.last[None])
        if order.shade is not None:
            step = cv2.multiply(step, cv2.merge([order.shade] * 3), scale=1 / 255)
        if order.strength < 1:
            step = cv2.addWeighted(step, order.strength, image_rgb, 1 - order.strength, 0)
        image_rgb[:] = step
    return torch.from_numpy(pictures).permute(0, 3, 1, 2)


def on_device(batch: Tensor, orders: Sequence[Order]) -> Tensor:
    def stacked(parts: Sequence[np.ndarray]) -> Tensor:
        return upload(np.stack(parts).astype(np.float32), batch.device)

    first = stacked([order.grading.first.T for order in orders])
    matrix = stacked([order.grading.matrix for order in orders])
    last = stacked([order.grading.last.T for order in orders])
    strength = upload(np.array([order.strength for order in orders], np.float32), batch.device)
    count, _, height, width = batch.shape
    levels = batch.reshape(count, 3, height * width)
    step = torch.gather(first, 2, levels.long())
    step = torch.bmm(matrix, step).round_().clamp_(0, 255)
    step = torch.gather(last, 2, step.long())
    if any(order.shade is not None for order in orders):
        plain = np.full((height, width), 255, np.uint8)
        shade = stacked([plain if order.shade is None else order.shade for order in orders])
        step = step * (shade.reshape(count, 1, height * width) / 255)
    mixed = torch.lerp(levels.float(), step, strength[:, None, None])
    return mixed.round_().clamp_(0, 255).to(torch.uint8).reshape(batch.shape)

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import cv2
import numpy as np
import pytest
import torch

from inference_service.filters.densepose import palette as palette_module
from inference_service.filters.densepose.palette import LABELS, ColourMap, Look, Palette, Part, table

PLAIN = Look(over_camera=False, alpha=1.0, colour_map="viridis", parts=())


def test_every_colour_map_is_opencvs() -> None:
    for name in get_args(ColourMap):
        rows = table(replace(PLAIN, colour_map=name))
        # The scale of DensePose's own visualiser, cut to whole levels.
        levels = (np.arange(25, dtype=np.float32) * np.float32(255 / 24)).astype(np.uint8)
        expected = cv2.applyColorMap(levels[:, None], getattr(cv2, f"COLORMAP_{name.upper()}"))[:, 0, ::-1]
        assert rows[:, :3].numpy().tolist() == expected.tolist()
        assert not rows[:, 3].any()


def test_every_label_belongs_to_one_part() -> None:
    assert sorted(label for labels in LABELS.values() for label in labels) == list(range(1, 25))
    assert tuple(LABELS) == get_args(Part)


def test_parts_that_are_not_chosen_look_like_the_background() -> None:
    plain = table(replace(PLAIN, parts=("head", "left hand")))
    over = table(replace(PLAIN, over_camera=True, parts=("head", "left hand")))
    for label in range(25):
        if label in (4, 23, 24):
            assert plain[label].tolist() == table(PLAIN)[label].tolist()
            assert over[label, 3] == 0
        else:
            assert plain[label].tolist() == plain[0].tolist()
            assert over[label].tolist() == [0, 0, 0, 1]


def test_alpha_blends_with_what_lies_below() -> None:
    opaque, half = table(PLAIN), table(replace(PLAIN, alpha=0.5))
    assert torch.allclose(half[:, :3], (opaque[:, :3] + opaque[:1, :3]) / 2)
    over = table(replace(PLAIN, alpha=0.25, over_camera=True))
    assert over[0].tolist() == [0, 0, 0, 1]
    assert torch.allclose(over[1:, :3], opaque[1:, :3] / 4)
    assert over[1:, 3].unique().tolist() == [0.75]


def test_tables_are_made_once_and_forgotten_when_too_many() -> None:
    palette = Palette(torch.device("cpu"), torch.float32, max_kept=2)
    first = palette._one(PLAIN)
    palette.stack([(PLAIN, 0.6)])
    assert palette._one(PLAIN) is first
    for alpha in (0.6, 0.7):
        palette.stack([(replace(PLAIN, alpha=alpha), 0.5)])
    assert palette._one(PLAIN) is not first
    tables, scores = palette.stack([(PLAIN, 0.5), (replace(PLAIN, alpha=0.0), 0.25)])
    assert tables.shape == (2, 25, 4)
    assert scores.tolist() == [0.5, 0.25]


def test_what_is_new_goes_up_from_pinned_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[int, ...]] = []

    def upload(values: np.ndarray, device: torch.device) -> torch.Tensor:
        sent.append(values.shape)
        return torch.from_numpy(values)

    monkeypatch.setattr(palette_module, "upload", upload)
    palette = Palette(torch.device("cpu"), torch.float16)
    tables, scores = palette.stack([(PLAIN, 0.25), (replace(PLAIN, alpha=0.5), 0.5)])
    assert sent == [(2, 25, 4), (2,)]
    assert (tables.dtype, scores.dtype) == (torch.float16, torch.float32)

from __future__ import annotations

import builtins
import collections
import hashlib
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from inference_service.errors import MissingPackage, WeightsError
from inference_service.filters.densepose import checkpoint, model
from tests.inference_service.filters.densepose import narrow
from tests.inference_service.filters.densepose.narrow import Arrays

KEY = "roi_heads.densepose_head.body_conv_fcn1.weight"

pytestmark = pytest.mark.detectron2


def load(path: Path) -> Any:
    made = model.build(narrow.narrow())
    checkpoint.load(made, path)
    return made


def refusal(path: Path) -> str:
    """Return the text with which the file is refused."""
    with pytest.raises(WeightsError) as caught:
        load(path)
    return str(caught.value)


def test_every_value_of_the_file_is_in_the_model(weights: Path, narrow_arrays: Arrays) -> None:
    assert weights.stat().st_size < 1_000_000
    loaded = load(weights).state_dict()
    assert set(loaded) == set(narrow_arrays)
    for name, value in narrow_arrays.items():
        assert np.array_equal(loaded[name].numpy(), value), name


def test_a_torch_file_is_read_too(narrow_arrays: Arrays, tmp_path: Path) -> None:
    tensors = {name: torch.from_numpy(value) for name, value in narrow_arrays.items()}
    torch.save({"model": tensors}, tmp_path / "nested.pth")
    torch.save(tensors, tmp_path / "plain.pth")
    for name in ("nested.pth", "plain.pth"):
        assert torch.equal(load(tmp_path / name).state_dict()[KEY], tensors[KEY])


def test_what_the_library_tolerates_is_tolerated(narrow_arrays: Arrays, tmp_path: Path) -> None:
    old = dict(narrow_arrays)
    old["proposal_generator.anchor_generator.cell_anchors.0"] = np.zeros((3, 4), np.float32)
    old["pixel_mean"] = np.array([103.53, 116.28, 123.675], np.float32).reshape(3, 1, 1)
    old["pixel_std"] = np.ones((3, 1, 1), np.float32)
    load(narrow.write(tmp_path / "old.pkl", old))


def test_other_pixel_statistics_are_refused(narrow_arrays: Arrays, tmp_path: Path) -> None:
    other = {**narrow_arrays, "pixel_std": np.full((3, 1, 1), 57.0, np.float32)}
    assert "has unknown pixel_std" in refusal(narrow.write(tmp_path / "other.pkl", other))


def test_a_missing_key_is_named(narrow_arrays: Arrays, tmp_path: Path) -> None:
    less = {name: value for name, value in narrow_arrays.items() if name != KEY}
    text = refusal(narrow.write(tmp_path / "less.pkl", less))
    assert f"lacks {KEY}" in text
    assert "densepose_rcnn_R_50_FPN_s1x" in text


def test_an_unknown_key_is_named(narrow_arrays: Arrays, tmp_path: Path) -> None:
    more = {**narrow_arrays, "roi_heads.mask_head.weight": np.zeros(3, np.float32)}
    assert "has unknown roi_heads.mask_head.weight" in refusal(narrow.write(tmp_path / "more.pkl", more))


def test_a_wrong_shape_is_named_with_both_shapes(narrow_arrays: Arrays, tmp_path: Path) -> None:
    bent = {**narrow_arrays, KEY: np.zeros((8, 8, 1, 1), np.float32)}
    text = refusal(narrow.write(tmp_path / "bent.pkl", bent))
    assert f"has {KEY} of shape (8, 8, 1, 1) instead of (8, 8, 3, 3)" in text
    assert "lacks" not in text


def test_weights_of_another_model_name_a_few_keys_and_count_the_rest(tmp_path: Path) -> None:
    other = {f"layer.{number}": np.zeros(1, np.float32) for number in range(10)}
    assert "layer.0, layer.1, layer.2 and 7 more" in refusal(narrow.write(tmp_path / "other.pkl", other))


@pytest.mark.parametrize("suffix", [".pkl", ".pth"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.999])
def test_a_truncated_file_is_refused(
    narrow_arrays: Arrays, tmp_path: Path, suffix: str, share: float
) -> None:
    whole = tmp_path / f"whole{suffix}"
    if suffix == ".pkl":
        narrow.write(whole, narrow_arrays)
    else:
        torch.save({name: torch.from_numpy(value) for name, value in narrow_arrays.items()}, whole)
    data = whole.read_bytes()
    cut = tmp_path / f"cut{suffix}"
    cut.write_bytes(data[: int(len(data) * share)])
    text = refusal(cut)
    assert str(cut) in text
    assert any(word in text for word in ("truncated", "damaged", "no weights file"))


def test_a_name_that_ends_in_a_sum_is_held_to_it(weights: Path, tmp_path: Path) -> None:
    data = weights.read_bytes()
    true = hashlib.md5(data).hexdigest()[:6]
    right = tmp_path / f"model_final_{true}.pkl"
    right.write_bytes(data)
    load(right)
    wrong = tmp_path / f"model_final_{true[:5]}{'0' if true[5] != '0' else '1'}.pkl"
    wrong.write_bytes(data)
    assert true in refusal(wrong)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "nowhere.pkl" in refusal(tmp_path / "nowhere.pkl")


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.pkl"
    page.write_text("<html>not found</html>")
    assert str(page) in refusal(page)
    assert ".pkl or .pth" in refusal(narrow.write(tmp_path / "model.caffemodel", {}))
    plain = tmp_path / "plain.pkl"
    plain.write_bytes(pickle.dumps({"weights": {}}))
    assert "holds no model" in refusal(plain)
    assert "layer is no array" in refusal(narrow.write(tmp_path / "words.pkl", {"layer": "words"}))


class Calling:
    """Unpickles by a call that leaves a trace."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> Any:
        return self._call


@pytest.mark.parametrize("suffix", [".pkl", ".pth"])
def test_a_file_that_would_run_code_is_refused_and_runs_none(tmp_path: Path, suffix: str) -> None:
    trace = tmp_path / "trace"
    bad = tmp_path / f"bad{suffix}"
    content = {"model": {"layer": Calling(builtins.open, str(trace), "w")}, "__author__": "?"}
    if suffix == ".pkl":
        bad.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, bad)
    text = refusal(bad)
    assert not trace.exists()
    assert "open" in text or "no weights file" in text


@pytest.mark.parametrize("function", [collections.namedtuple, np.load, np.fromfile, eval])
def test_other_functions_of_allowed_packages_are_refused(tmp_path: Path, function: Any) -> None:
    bad = tmp_path / "bad.pkl"
    bad.write_bytes(pickle.dumps({"model": {"layer": Calling(function, "x")}}))
    assert "it asks for" in refusal(bad)


@pytest.mark.parametrize("package", ["torchvision", "detectron2", "densepose"])
def test_a_missing_package_is_named_with_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingPackage, match=f"needs the package {package}: pip install"):
        model.require_packages()


def test_a_package_that_a_package_needs_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "densepose.py").write_text("import averyrarepackage.part\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "densepose")
    with pytest.raises(MissingPackage, match=r"needs densepose, which cannot.*averyrarepackage is missing"):
        model.require_packages()


def test_the_configuration_is_the_zoos() -> None:
    cfg = model.configuration()
    built: Any = model.build(cfg)
    # Counted from the architecture of the paper and the zoo's page, not from this code.
    parameters = sum(value.numel() for value in built.parameters())
    assert parameters == pytest.approx(64e6, rel=0.1)
    assert built.backbone.bottom_up.stages[3][0].conv1.in_channels == 1024
    assert built.roi_heads.densepose_predictor.index_uv_lowres.out_channels == 25
    assert len(built.roi_heads.decoder.in_features) == 4
    assert cfg.MODEL.RPN.PRE_NMS_TOPK_TEST == 1000

"""The networks against LiteRT: its stored outputs, and itself where it and MediaPipe's files are at hand."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness.network_inputs import NAMES, network_input
from inference_service.errors import WeightsError
from inference_service.filters.vision.networks.people import files
from inference_service.filters.vision.networks.people.network import Network, load_network, read

REFERENCE = Path(__file__).parent / "reference.npz"
EVERY = 8
CPU = torch.device("cpu")
NETWORKS = [name for name in files.SHA256 if name != "face_model"]
TOLERANCE = {
    ("person_wide", "mask"): 1e-3,
    ("person_general", "mask"): 1e-3,
    ("face_near", "boxes"): 1e-3,
    ("face_near", "scores"): 1e-3,
    ("face_far", "boxes"): 1e-3,
    ("face_far", "scores"): 1e-3,
    ("face_mesh", "points"): 2e-3,
    ("face_mesh", "score"): 1e-3,
    ("body_box", "boxes"): 1e-2,
    ("body_box", "scores"): 1e-3,
    ("body_points", "points"): 1e-2,
    ("body_points", "score"): 1e-3,
    ("body_points", "heatmap"): 1e-2,
}
"""Pixels of the input, probabilities or logits; the order of additions differs, and nothing else."""
FOLDER = os.environ.get("P2PCAMERA_TFLITE", "")


def some(*names: str) -> list[Any]:
    """Return all networks as parameters: these for every run, the others for `make test-all`."""
    return [name if name in names else pytest.param(name, marks=pytest.mark.slow) for name in NETWORKS]


@pytest.fixture(scope="module", params=["LiteRT", "torch"])
def networks(request: pytest.FixtureRequest) -> dict[str, Network]:
    if request.param == "LiteRT":
        pytest.importorskip("ai_edge_litert")
    found = {name: files.load(name, CPU, by_torch=request.param == "torch") for name in NETWORKS}
    assert {network.runtime for network in found.values()} == {request.param}
    return found


def outputs(network: Network, batch: torch.Tensor) -> dict[str, torch.Tensor]:
    return dict(zip(network.outputs, network(batch), strict=True))


def size(network: Network) -> tuple[int, int]:
    return network.input[1], network.input[2]


@pytest.mark.parametrize("photograph", NAMES)
@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_are_those_that_litert_gave(networks: dict[str, Network], name: str, photograph: str) -> None:
    network = networks[name]
    with np.load(REFERENCE) as stored:
        expected = {output: stored[f"{name}/{photograph}/{output}"] for output in network.outputs}
        best = stored[f"{name}/{photograph}/best"] if "boxes" in network.outputs else None
    for output, value in outputs(network, network_input(photograph, name, size(network))).items():
        found = value[0].numpy()
        if best is not None:
            found = found[best]
        elif expected[output].ndim == 3:
            found = found[:, ::EVERY, ::EVERY]
        np.testing.assert_allclose(
            found.reshape(expected[output].shape), expected[output], atol=TOLERANCE[name, output], rtol=0
        )


@pytest.mark.skipif(
    not FOLDER or find_spec("ai_edge_litert") is None,
    reason="needs ai-edge-litert and P2PCAMERA_TFLITE, a folder with MediaPipe's files",
)
@pytest.mark.parametrize("photograph", NAMES)
@pytest.mark.parametrize("name", NETWORKS)
def test_all_outputs_are_those_of_litert(networks: dict[str, Network], name: str, photograph: str) -> None:
    from deploy.convert_networks.__main__ import SOURCES
    from harness.lite import lite_outputs

    network = networks[name]
    source = next(source for source in SOURCES if source.name == name)
    expected = lite_outputs(source, Path(FOLDER), photograph)
    for output, value in outputs(network, network_input(photograph, name, size(network))).items():
        found = value[0].numpy().reshape(expected[output].shape)
        np.testing.assert_allclose(found, expected[output], atol=TOLERANCE[name, output], rtol=0)


# test_photographs.py shows it of the others too, through what finds faces, bodies and persons.
@pytest.mark.parametrize("name", some("person_wide", "body_points"))
def test_a_batch_is_its_pictures_one_by_one(networks: dict[str, Network], name: str) -> None:
    network = networks[name]
    singles = [network_input(photograph, name, size(network)) for photograph in NAMES]
    batch = torch.cat(singles)
    before = batch.clone()
    together = outputs(network, batch)
    assert torch.equal(batch, before)
    for position in range(len(batch)):
        alone = outputs(network, batch[position : position + 1])
        for output, value in alone.items():
            torch.testing.assert_close(
                together[output][position], value[0], atol=TOLERANCE[name, output], rtol=0
            )


@pytest.mark.parametrize("name", some("person_wide", "face_near"))
def test_the_same_in_any_memory_layout(networks: dict[str, Network], name: str) -> None:
    network = networks[name]
    picture = network_input("astronaut", name, size(network))
    rows = outputs(network, picture.contiguous())
    for output, value in outputs(network, picture.contiguous(memory_format=torch.channels_last)).items():
        torch.testing.assert_close(value, rows[output], atol=TOLERANCE[name, output], rtol=0)


@pytest.mark.parametrize("name", some("person_general"))
def test_no_step_looks_at_a_value(name: str) -> None:
    """Tensors of the device `meta` have shapes and no values, so whatever would wait for a GPU raises.

    In every run test_photographs.py does the same with the others.
    """
    network = files.load(name, torch.device("meta"))
    for value in network(torch.empty(2, *network.input, device="meta")):
        assert value.shape[0] == 2


# The larger ones take many seconds: most CPUs have no half precision.
@pytest.mark.parametrize("name", some("face_near"))
def test_half_precision_stays_near(networks: dict[str, Network], name: str) -> None:
    network = networks[name]
    half = files.load(name, CPU, torch.float16)
    picture = network_input("hopper", name, size(network))
    exact = outputs(network, picture)
    for output, value in outputs(half, picture).items():
        assert value.dtype == torch.float16
        error = (value.float() - exact[output]).abs().mean() / exact[output].abs().mean()
        assert error < 0.05, output


def test_only_wanted_outputs_are_computed(networks: dict[str, Network]) -> None:
    short = files.load("body_points", CPU, outputs=["score"])
    whole = networks["body_points"]
    assert short.outputs == ("score",)
    assert len(short) < len(whole)
    picture = network_input("astronaut", "body_points", size(whole))
    torch.testing.assert_close(short(picture)[0], outputs(whole, picture)["score"])


def test_unknown_output_is_refused() -> None:
    with pytest.raises(WeightsError, match="no output iris"):
        files.load("face_mesh", CPU, outputs=["iris"])


def test_all_weights_are_under_nine_megabytes() -> None:
    assert {path.stem for path in files.FOLDER.glob("*.safetensors")} == files.SHA256.keys()
    assert sum(path.stat().st_size for path in files.FOLDER.iterdir()) < 9e6


def test_another_file_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "face_mesh.safetensors"
    path.write_bytes((files.FOLDER / "face_near.safetensors").read_bytes())
    with pytest.raises(WeightsError, match=r"face_mesh\.safetensors are not those of this version"):
        load_network(path, files.SHA256["face_mesh"], CPU, torch.float32)


def test_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"gone\.safetensors cannot be read \(No such file"):
        load_network(tmp_path / "gone.safetensors", "0" * 64, CPU, torch.float32)


@pytest.mark.parametrize("length", [0, 4, 8, 100, 20_000, 214_000])
def test_truncated_file_is_refused(length: int) -> None:
    content = (files.FOLDER / "face_near.safetensors").read_bytes()
    with pytest.raises(WeightsError):
        read(content[:length])


def test_missing_tensor_is_named() -> None:
    structure, tensors = read(files.content("face_near"))
    name = next(name for name in tensors if name.endswith(".bias"))
    del tensors[name]
    with pytest.raises(WeightsError, match=f"lacks {name}"):
        Network(structure, tensors, CPU, torch.float32)

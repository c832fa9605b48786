"""The weights files beside this code, each by its SHA-256 sum; `deploy/convert_networks` made them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from inference_service.filters.vision.networks.people.network import Network, checked, load_network
from inference_service.filters.vision.networks.people.recordable import note

FOLDER = Path(__file__).parent / "weights"
SHA256 = {
    "person_wide": "1481825316269b33bc6e130dc86a3dfacefc0e57fdba3c2a7ff1f2e1a3eaa7fb",
    "person_general": "3a396b09d432ea1731242f141146a4f229bab16ed32cc233348a01da0655e08c",
    "face_near": "1abd1e2e4f2cf86c7b7270d890c09fc9b1512be70cb0c4d5097b21c243086983",
    "face_far": "44c54e999247133d476ec428d509fa02337f577bd17b94860c7497c558081352",
    "face_mesh": "bd3df33a512183e8a9e511c3d98e3f773c807b642312dce306284bd077c9a28c",
    "body_box": "27bb4ffc7e25ee1e36a2ab4f55b0d65f45a06ba187d44dc1fc3b2e46a319856d",
    "body_points": "8940f8a1a2c2be3ed1411dce24fca29ac30d1d786b47f923210c3c42c13a7a6e",
    "face_model": "5920b02d7023150384e610bdb4f5a666b4c9ded08bcbce2734ffbe3b83e533b5",
}


def load(
    name: str,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
    outputs: Sequence[str] = (),
    *,
    by_torch: bool = False,
) -> Network:
    """Return the network `name` with these outputs only (none named: all); `by_torch` as in `Network`.

    Raises WeightsError if its file is missing or not the one of this version.
    """
    path = FOLDER / f"{name}.safetensors"
    network = load_network(path, SHA256[name], device, dtype, outputs, by_torch=by_torch)
    note(network)
    return network


def content(name: str) -> bytes:
    """Return the checked content of a file. Raises WeightsError as `load` does."""
    return checked(FOLDER / f"{name}.safetensors", SHA256[name])

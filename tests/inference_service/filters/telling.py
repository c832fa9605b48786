"""What a filter tells of a picture, as the wire carries it."""

from __future__ import annotations

from torch import Tensor

from inference_service.filters.base import Data, Filter, Filtered, Item, Later
from shared.wire.data import pack_data


def data_of(one: Filter, picture: Tensor) -> Data:
    """Return what a loaded filter tells of a call's first frame: (1, 3, H, W) uint8 RGB, left as it is."""
    filtered = one.apply(picture.clone(), [Item(bytes(16), 0, one.Params(), wants_data=True)])
    assert isinstance(filtered, Filtered)
    assert isinstance(filtered.data, Later)
    data = filtered.data.read(filtered.data.rows[0].numpy())
    assert data is not None
    pack_data({one.name: data})
    return data

"""What filters that change faces tell of a picture: how many there are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from inference_service.filters.base import Answer, Data, Filtered, Item, Label, Later
from inference_service.filters.vision.people.following import MOST_FACES, Followed


def with_count(pictures: Tensor, seen: Followed, items: Sequence[Item]) -> Answer:
    """Return the pictures, and beside them, where a session wants data, how many faces each has."""
    if not any(item.wants_data for item in items):
        return pictures
    return Filtered(pictures, Later(seen.presence, told))


def told(presence: np.ndarray) -> Data:
    """Return the data of one picture, of whose faces there is `presence` (MOST_FACES,), 0 to 1.

    The number `faces`, and the label `no_face` where there is none, `most_faces` where there may be more
    than are followed.
    """
    count = int((presence > 0).sum())
    codes = ["no_face"] if count == 0 else ["most_faces"] if count == MOST_FACES else []
    return Data(labels=[Label(code) for code in codes], numbers={"faces": count})

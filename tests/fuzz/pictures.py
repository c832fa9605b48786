"""What users send for filters: parameters, and pictures among them. torch is imported on first use alone."""

from __future__ import annotations

import base64
import contextlib
import functools
import json
from types import SimpleNamespace
from typing import Any

NAMES = ("background", "face", "frame", "grade", "ink", "invert", "light", "makeup", "animal", "pose")
"""Built-in filters that need no other packages."""


def own_picture(data: bytes) -> None:
    """A picture behind the person: its bytes, and as text that should be base64."""
    own = _own_picture()
    for text in (base64.b64encode(data).decode(), data.decode("latin-1")):
        with contextlib.suppress(own.BadPicture):
            picture = own.decoded(text)
            assert picture.mode == "RGB"
            assert max(picture.size) <= own.MAX_SIDE


def parameters(data: bytes) -> None:
    """Parameters of a frame, for each filter and for all of them as a chain."""
    from inference_service.engine.params import CheckedParams
    from inference_service.errors import BadParams
    from shared.wire import params_id, params_size_bytes

    try:
        read: Any = json.loads(data)
        own_id = params_id(read)
        params_size_bytes(read)
    except (OverflowError, ValueError, TypeError, RecursionError):
        return  # It would not travel.
    if not isinstance(read, dict):
        return
    filters = _filters()
    for chain, given in (*(([one], read) for one in filters), (filters, {one.name: read for one in filters})):
        with contextlib.suppress(BadParams):
            CheckedParams().check(chain, own_id, given)


@functools.cache
def _own_picture() -> Any:
    from inference_service.filters.background import own_picture

    return own_picture


@functools.cache
def _filters() -> list[Any]:
    from inference_service.filters.installed import installed

    points = installed()
    # As far as parameters are concerned a filter is its name, its model, and which of them must be equal.
    return [
        SimpleNamespace(name=name, Params=kind.Params, equal_params=kind.equal_params)
        for name in NAMES
        for kind in (points[name].load(),)
    ]

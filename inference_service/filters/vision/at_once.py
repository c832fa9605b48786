"""How many faces of a batch are drawn at once on a GPU: all of them, as far as memory goes."""

from __future__ import annotations

from collections.abc import Iterator

MOST_VALUES = 1 << 27
"""Of what is drawn at once, four bytes each: half a GiB."""


def parts(pictures: int, places: int, values: int, most: int = MOST_VALUES) -> Iterator[tuple[slice, slice]]:
    """Give faces and the pictures that these are in, part by part.

    Each of so many `pictures` has so many `places` for a face, and each of these takes so many `values`. A
    part has all places of some pictures, or some of one.
    """
    fitting = max(1, most // values)
    count = fitting // places * places or next(few for few in range(fitting, 0, -1) if places % few == 0)
    for first in range(0, pictures * places, count):
        last = min(first + count, pictures * places)
        yield slice(first, last), slice(first // places, -(-last // places))

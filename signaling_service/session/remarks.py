"""What filters say of the picture in a word, for the page's statistics: the labels of one picture a second.

The page need not listen for `data`. So that no frame more than needed costs anything, only a few are asked
for: those that are sent until the first of them has come back.
"""

from __future__ import annotations

from shared.wire.data import unpack_data

MOST_ASKED = 8
"""Most frames that are asked about in a second: some are under way together, and some may be dropped."""
MOST_LABELS = 8
"""Of one filter; others may tell many more of each picture."""


class Remarks:
    """Of one session. Event loop only."""

    def __init__(self) -> None:
        self._left = 0
        self._is_awaited = False
        self._said: dict[str, list[str]] = {}

    def ask(self) -> None:
        """Begin with the next second."""
        self._left, self._is_awaited = MOST_ASKED, True

    def is_wanted(self) -> bool:
        """Tell whether the frame that is sent now is to be asked about; each call counts as one."""
        if self._left == 0:
            return False
        self._left -= 1
        return True

    def note(self, packed: bytes) -> None:
        """Take what was told of a picture, `ResultHeader.data`; raises WireError."""
        if not packed or not self._is_awaited:
            return
        self._left, self._is_awaited = 0, False
        labels = {name: [one.label for one in data.labels] for name, data in unpack_data(packed).items()}
        self._said = {name: said[:MOST_LABELS] for name, said in labels.items() if said}

    def take(self) -> dict[str, list[str]]:
        """Return the labels by filter since the last call; only of filters that have said one."""
        said, self._said = self._said, {}
        return said

"""What the user hears at the end: what was left out, mended or changed, each kind once."""

from __future__ import annotations

from collections import Counter

NO_TRANSPARENCY = "left out: the pictures' transparency"


class Remarks:
    """Counted remarks, in the order in which each was first made."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, text: str) -> None:
        """Make a remark once more; it is said once, with its count where that is above one."""
        self._counts[text] += 1

    def once(self, text: str) -> None:
        """Make a remark that has no count."""
        self._counts[text] = 1

    def lines(self) -> list[str]:
        """Return what to say."""
        return [text if count == 1 else f"{text} ({count} times)" for text, count in self._counts.items()]

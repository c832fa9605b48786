"""Bad input made of good input."""

from __future__ import annotations

from random import Random

MOST_CHANGES = 4


def spoilt(good: bytes, random: Random) -> bytes:
    """Cut, end, double, overwrite or insert some bytes of a good input, up to MOST_CHANGES times."""
    made = bytearray(good)
    for _ in range(random.randint(1, MOST_CHANGES)):
        at = random.randint(0, len(made))
        end = min(at + random.randint(1, 16), len(made))
        how = random.choice(("cut", "end", "double", "write", "insert"))
        if how == "cut":
            del made[at:end]
        elif how == "end":
            del made[at:]
        elif how == "double":
            made[at:at] = made[at:end]
        else:
            # Small numbers and their neighbours matter most in lengths and counts.
            new = random.choice((random.randbytes(end - at), bytes(end - at), b"\xff" * (end - at)))
            made[at : end if how == "write" else at] = new
    return bytes(made)

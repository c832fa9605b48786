"""Takes secrets out of the command line, which every user of this host can read while the process runs.

The process starts itself once more, with them in its environment, which only its own user can read. Until
then, some milliseconds, they can be seen; `--api-key-file` and variables never show them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

SECRETS = {
    "--api-key": "SIGNALING_API_KEY",
    "--token-key": "SIGNALING_TOKEN_KEY",
    "--ice-servers": "SIGNALING_ICE_SERVERS",
}
"""Flags that may carry a secret, and the variables that mean the same."""


def hide(arguments: Sequence[str]) -> None:
    """Start this process anew without secrets in its arguments; returns where there are none."""
    kept, secrets = without_secrets(arguments)
    if not secrets:
        return
    count = len(arguments)
    before = sys.orig_argv[1 : len(sys.orig_argv) - count] if count else sys.orig_argv[1:]
    os.execve(sys.executable, [sys.executable, *before, *kept], {**os.environ, **secrets})  # noqa: S606


def without_secrets(arguments: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Return the arguments without secrets, and the variables that say the same; the last of a flag counts.

    A flag without a value, or with an empty one, is left for the settings to refuse.
    """
    kept: list[str] = []
    secrets: dict[str, str] = {}
    waiting = list(arguments)
    while waiting:
        word = waiting.pop(0)
        flag, is_joined, value = word.partition("=")
        if flag not in SECRETS:
            kept.append(word)
            continue
        words = [word] if is_joined or not waiting else [word, value := waiting.pop(0)]
        if value:
            secrets[SECRETS[flag]] = value
        else:
            kept += words
    return kept, secrets

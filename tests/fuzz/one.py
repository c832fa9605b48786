"""One target under atheris, in a process of its own, which libFuzzer ends: `python -m tests.fuzz`."""

from __future__ import annotations

import sys
from typing import Any


def main() -> None:
    try:
        import atheris
    except ImportError:
        sys.exit("atheris is not installed here: it has wheels for Linux on x86_64")

    # Before anything else imports them: what is imported here is watched.
    watched = [
        "shared",
        "signaling_service",
        "aiortc.rtp",
        "aiortc.sdp",
        "aiortc.codecs",
        "aiortc.rtcdtlstransport",
        "aiortc.rtcsctptransport",
        "aioice.stun",
        "inference_service",
    ]
    with atheris.instrument_imports(include=watched, enable_loader_override=False):
        from tests.fuzz.targets import TARGETS

        name, *argv = sys.argv[1:]
        target: Any = TARGETS[name]
        # Some import what they need when they are first called.
        target(b"{}")
    atheris.Setup(argv, target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()

"""Gather the browser extension and zip it: `python3 deploy/extension.py`, or `make extension`.

    build/p2pcamera-extension/      to be loaded unpacked
    build/p2pcamera-extension.zip   the same, byte for byte the same from the same sources

No file is changed on the way. Needs Python alone.
"""

from __future__ import annotations

import shutil
import sys
import zipfile
from pathlib import Path

STATIC = Path(__file__).resolve().parent.parent / "static"
COPIES = {
    # Two names, since Chrome runs no file twice in a frame, not even in two worlds.
    "p2pcamera.page.js": STATIC / "p2pcamera.js",
    "p2pcamera.own.js": STATIC / "p2pcamera.js",
}
NAME = "p2pcamera-extension"
_LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""The first time that a zip can name: that of the build would make each one different."""
_PLAIN_FILE = 0o100644 << 16


def main() -> None:
    """Write both to `build`."""
    folder, archive = build(STATIC.parent / "build")
    sys.stdout.write(f"{folder}: load it unpacked at chrome://extensions\n{archive}\n")


def build(target: Path) -> tuple[Path, Path]:
    """Write folder and zip into `target`, in place of what was there; returns both paths."""
    folder, archive = target / NAME, target / f"{NAME}.zip"
    if folder.exists():
        shutil.rmtree(folder)
    shutil.copytree(STATIC / "extension", folder)
    shutil.copytree(STATIC / "shared", folder / "shared")
    for name, source in COPIES.items():
        shutil.copy(source, folder / name)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(file.relative_to(folder).as_posix(), _LONG_AGO)
            entry.external_attr = _PLAIN_FILE
            entry.compress_type = zipfile.ZIP_DEFLATED
            packed.writestr(entry, file.read_bytes())
    return folder, archive


if __name__ == "__main__":
    main()

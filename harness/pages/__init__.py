"""Pages as a user of the shim would write them."""

from __future__ import annotations

import html
import shutil
from collections.abc import Mapping
from pathlib import Path

PAGES = Path(__file__).parent
_SHIM_PAGE = """<!doctype html>
<meta charset="utf-8" />
<title>A page with the shim</title>
<link rel="icon" href="data:," />
<video id="original" autoplay muted playsinline></video>
<video id="filtered" autoplay muted playsinline></video>
<script src="reader.js"></script>
<script src="{server}/p2pcamera.js"{attributes}></script>
<script src="shim.js"></script>
"""


def write_pages(folder: Path, server: str, attributes: Mapping[str, str] | None = None) -> None:
    """Fill `folder` with all pages; index.html has the shim's one script tag with these attributes."""
    folder.mkdir(exist_ok=True)
    for file in (*PAGES.glob("*.html"), *PAGES.glob("*.js")):
        shutil.copy(file, folder)
    text = "".join(f' {name}="{html.escape(value)}"' for name, value in (attributes or {}).items())
    (folder / "index.html").write_text(_SHIM_PAGE.format(server=server, attributes=text))

"""Make the pictures and the tables of docs/gallery.md, and those of the demo page's cards, anew:

    python -m docs.make.gallery

A photograph before and after each filter. Where a network's weights cannot be had, what a network of the
project sees goes through the filter's own drawing.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
from pathlib import Path

from docs.make import gallery
from docs.make.gallery._examples import names_here, write_examples
from docs.make.jpeg import write_jpeg
from docs.make.options import with_tables

DOCS = Path(__file__).parents[2]


def main() -> None:
    """Write the pictures of each filter, or say why there is none; then the tables."""
    every = names_here()
    names = sorted(one.name for one in pkgutil.iter_modules(gallery.__path__) if not one.name.startswith("_"))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("filters", nargs="*", metavar="FILTER", default=[], help="default: all of them")
    parser.add_argument("--folder", type=Path, default=DOCS / "images" / "gallery")
    given = parser.parse_args()
    for name in given.filters:
        if name not in {*names, *every}:
            raise SystemExit(f"no picture for {name!r}; there are {', '.join(sorted({*names, *every}))}")
    write_examples([name for name in given.filters or every if name in every])
    for name in [name for name in given.filters or names if name in names]:
        image_rgb = importlib.import_module(f"docs.make.gallery.{name}").picture()
        if image_rgb is None:
            print(f"{name}: no weights here, so no picture")
            continue
        path = given.folder / f"{name}.jpg"
        write_jpeg(path, image_rgb, 150_000)
        print(f"{name}: {path.name}, {path.stat().st_size:,} bytes")
    document = DOCS / "gallery.md"
    document.write_text(with_tables(document.read_text()))


if __name__ == "__main__":
    main()

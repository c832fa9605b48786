"""Python runs this at the start of each process that a test starts."""

import os

from absence import VARIABLE, Absence  # type: ignore[import-not-found]

Absence(filter(None, os.environ.get(VARIABLE, "").split(","))).install()

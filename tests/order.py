"""Which xdist worker runs which file: some run those with a browser, which wait, one those that compute.

All at once would be more browsers than two cores can serve in time; one kind after the other would leave the
cores idle while browsers wait. With three workers two have browsers, and mostly one has torch.
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

BROWSER = "tests/e2e/"
COMPUTING = ("tests/inference_service/", "tests/test_example_filter.py")
BROWSER_SHARE = 2 / 3
"""Of the workers, as long as there are files of all kinds."""


def kind(file: str) -> int:
    """Return 0 for a file with a browser, 2 for one that computes with torch, 1 for any other."""
    return 0 if file.startswith(BROWSER) else 2 if file.startswith(COMPUTING) else 1


def first(files: Iterable[str], *, has_browser: bool) -> str:
    """Return what a worker takes next, of its own kind where there is one; the first of equals."""
    return min(files, key=kind) if has_browser else max(files, key=kind)


class ByKind(LoadScopeScheduling):  # type: ignore[misc]
    """Gives each worker file after file, of its own kind first."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid.partition("::")[0]

    def _assign_work_unit(self, node: WorkerController) -> None:
        nodes = list(self.registered_collections)
        has_browser = nodes.index(node) < round(len(nodes) * BROWSER_SHARE)
        self.workqueue.move_to_end(first(self.workqueue, has_browser=has_browser), last=False)
        super()._assign_work_unit(node)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByKind:
    return ByKind(config, log)

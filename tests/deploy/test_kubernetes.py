"""What the manifests for Kubernetes promise, and that they name what both services have."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from inference_service.config import Settings as InferenceSettings
from inference_service.config import read_settings as read_inference_settings
from shared import link_keys
from signaling_service.config import Settings as SignalingSettings
from signaling_service.config import read_settings as read_signaling_settings
from signaling_service.metrics import Metrics
from signaling_service.workers.results import ASIDE_PORTS
from tests.deploy.compose import BASE as COMPOSE
from tests.deploy.compose import ROOT, load
from tests.deploy.test_metrics import unknown

FOLDER = ROOT / "deploy" / "kubernetes"
OVERLAYS = [path.parent for path in sorted(FOLDER.glob("overlays/*/kustomization.yaml"))]
VERSION = "1.31"
KUSTOMIZE = (
    ["kubectl", "kustomize"]
    if shutil.which("kubectl")
    else ["kustomize", "build"]
    if shutil.which("kustomize")
    else None
)
Resource = dict[str, Any]

needs_schemas = pytest.mark.skipif(
    find_spec("kubernetes_validate") is None, reason="needs kubernetes-validate (make install)"
)
needs_kustomize = pytest.mark.skipif(KUSTOMIZE is None, reason="needs kubectl or kustomize")


def base() -> list[Resource]:
    names = yaml.safe_load((FOLDER / "base" / "kustomization.yaml").read_text())["resources"]
    return [one for name in names for one in yaml.safe_load_all((FOLDER / "base" / name).read_text())]


def built(folder: Path) -> list[Resource]:
    assert KUSTOMIZE is not None
    done = subprocess.run([*KUSTOMIZE, str(folder)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def one(resources: list[Resource], kind: str, name: str) -> Resource:
    (found,) = (each for each in resources if (each["kind"], each["metadata"]["name"]) == (kind, name))
    return found


def workloads(resources: list[Resource]) -> Iterator[tuple[str, Resource]]:
    for kind, name in (("StatefulSet", "signaling"), ("Deployment", "inference")):
        yield name, one(resources, kind, name)["spec"]["template"]


def container(template: Resource) -> Resource:
    (found,) = template["spec"]["containers"]
    assert isinstance(found, dict)
    return found


def validate(resource: Resource) -> None:
    import kubernetes_validate

    kubernetes_validate.validate(resource, VERSION, strict=True)


@needs_schemas
def test_every_resource_follows_the_schema_of_its_kind() -> None:
    for resource in base():
        validate(resource)


@needs_schemas
def test_a_wrong_field_is_noticed() -> None:
    import kubernetes_validate

    wrong = one(base(), "StatefulSet", "signaling")
    container(wrong["spec"]["template"])["readinesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        validate(wrong)


@needs_kustomize
@pytest.mark.parametrize("folder", [FOLDER / "base", *OVERLAYS], ids=lambda folder: folder.name)
def test_an_overlay_makes_what_its_first_line_says(folder: Path) -> None:
    resources = built(folder)
    if find_spec("kubernetes_validate") is not None:
        for resource in resources:
            if not resource["apiVersion"].startswith("keda.sh/"):
                validate(resource)
    pods = dict(workloads(resources))
    limits = container(pods["inference"])["resources"]["limits"]
    assert ("nvidia.com/gpu" in limits) == (folder.name not in ("cpu", "mig"))
    assert ("nvidia.com/mig-1g.18gb" in limits) == (folder.name == "mig")
    assert container(pods["inference"])["image"].endswith("-cpu" if folder.name == "cpu" else "-gpu")
    is_on_host = folder.name == "host-network"
    assert pods["signaling"]["spec"].get("hostNetwork", False) is is_on_host
    environment = {each["name"] for each in container(pods["signaling"])["env"]}
    assert ("SIGNALING_PUBLIC_IP" in environment) is not is_on_host
    is_scaled = any(resource["kind"] == "ScaledObject" for resource in resources)
    assert is_scaled == (folder.name == "keda")
    assert ("replicas" in one(resources, "Deployment", "inference")["spec"]) is not is_scaled


@pytest.mark.parametrize(
    ("service", "settings", "side"),
    [("signaling", SignalingSettings, "service"), ("inference", InferenceSettings, "worker")],
)
def test_variables_are_settings_and_their_values_are_accepted(
    service: str,
    settings: type[SignalingSettings] | type[InferenceSettings],
    side: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    link_keys.make(tmp_path / "keys")
    (tmp_path / "key").write_text("a key")
    paths = {"/keys": str(tmp_path / "keys"), "/api/key": str(tmp_path / "key")}
    prefix = f"{service.upper()}_"
    known = {prefix + field.upper() for field in settings.model_fields}
    shared = one(base(), "ConfigMap", "settings")["data"]
    own = container(dict(workloads(base()))[service])["env"]
    for each in [*own, *({"name": name, "value": value} for name, value in shared.items())]:
        # A field of the pod's status is an address.
        value = str(each.get("value", "10.1.2.3")).replace("$(POD_IP)", "10.1.2.3")
        monkeypatch.setenv(each["name"], paths.get(value, value))
        if each["name"].startswith(prefix):
            assert each["name"] in known
    if service == "signaling":
        made = read_signaling_settings([])
        assert (made.processes, made.public_addresses) == (1, ("10.1.2.3",))
        assert made.is_guarded
    else:
        assert read_inference_settings([]).frames == "tcp://10.1.2.3:5557"


def test_ports_are_those_that_variables_services_probes_and_policies_name() -> None:
    resources = base()
    for name, template in workloads(resources):
        made = container(template)
        ports = {each["name"]: each["containerPort"] for each in made["ports"]}
        variables = " ".join(str(each.get("value", "")) for each in made["env"])
        for number in set(ports.values()) - {7860}:
            assert str(number) in variables
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            asked = made[probe]["httpGet"]
            assert asked["port"] == "http"
            assert asked["path"] in ("/healthz", "/readyz" if name == "signaling" else "/healthz")
        policy = one(resources, "NetworkPolicy", name)
        let_in = {port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]}
        while_draining = {ports["results"] + ASIDE_PORTS} if name == "signaling" else set()
        assert let_in == {*ports.values(), *while_draining}
        if name == "signaling":
            to_results = one(resources, "NetworkPolicy", "inference")["spec"]["egress"][0]["ports"]
            assert {port["port"] for port in to_results} == {ports["results"], *while_draining}
    for service in (each for each in resources if each["kind"] == "Service"):
        named = {each["name"] for each in container(dict(workloads(resources))["signaling"])["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= named


def test_selectors_choose_the_pods_that_there_are() -> None:
    resources = base()
    labels = [template["metadata"]["labels"] for _, template in workloads(resources)]
    for resource in resources:
        spec = resource.get("spec", {})
        chosen = spec.get("podSelector", spec.get("selector"))
        if chosen:
            assert chosen.get("matchLabels", chosen) in labels, resource["metadata"]["name"]
    # Otherwise a service without a worker is never found by one.
    assert one(resources, "Service", "signaling")["spec"]["publishNotReadyAddresses"] is True


def test_pods_have_no_more_rights_than_containers_of_compose() -> None:
    user = int(load(COMPOSE)["services"]["signaling"]["user"].partition(":")[0])
    for name, template in workloads(base()):
        pod, made = template["spec"], container(template)
        assert (pod["securityContext"]["runAsUser"], pod["securityContext"]["runAsNonRoot"]) == (user, True)
        assert made["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert made["securityContext"]["allowPrivilegeEscalation"] is False
        assert made["securityContext"]["readOnlyRootFilesystem"] is (name == "signaling")
        assert pod["automountServiceAccountToken"] is False
        assert {"cpu", "memory"} <= made["resources"]["requests"].keys()
        assert "memory" in made["resources"]["limits"]


def test_workers_are_scaled_by_metrics_that_there_are() -> None:
    scaled = yaml.safe_load((FOLDER / "overlays" / "keda" / "scaled-object.yaml").read_text())
    assert scaled["spec"].keys() <= {
        *("scaleTargetRef", "minReplicaCount", "maxReplicaCount", "pollingInterval", "cooldownPeriod"),
        *("advanced", "triggers"),
    }
    assert scaled["spec"]["scaleTargetRef"] == {"name": "inference"}
    assert scaled["spec"]["minReplicaCount"] == 0
    for trigger in scaled["spec"]["triggers"]:
        assert trigger.keys() == {"type", "name", "metricType", "metadata"}
        assert trigger["metricType"] in ("AverageValue", "Value")
        assert trigger["metadata"].keys() == {"serverAddress", "query", "threshold", "activationThreshold"}
        assert not unknown(trigger["metadata"]["query"])
        assert float(trigger["metadata"]["threshold"]) > float(trigger["metadata"]["activationThreshold"])


def test_refusals_that_wake_workers_and_alerts_are_counted_from_nought() -> None:
    asked = (FOLDER / "overlays" / "keda" / "scaled-object.yaml").read_text()
    asked += (ROOT / "deploy" / "metrics" / "alerts.yml").read_text()
    registry = Metrics().registry
    outcomes = {one for found in re.findall(r'outcome=~?"([^"]+)"', asked) for one in found.split("|")}
    assert "no_worker" in outcomes
    for outcome in outcomes:
        assert registry.get_sample_value("p2pcamera_offers_total", {"outcome": outcome}) == 0, outcome

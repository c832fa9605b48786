"""What the compose files promise to whoever runs them."""

from __future__ import annotations

import base64
import json
import re
from importlib.resources import files
from pathlib import PurePath
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator, ValidationError

from inference_service.config import Settings as InferenceSettings
from inference_service.config import read_settings as read_inference_settings
from shared import endpoints
from shared.run_dir import VARIABLE as RUN_DIR_VARIABLE
from signaling_service.config import Settings as SignalingSettings
from signaling_service.config import read_settings as read_signaling_settings
from tests.deploy.compose import BASE, CPU, ROOT, RUN_DIR, load, load_cpu_variant

NOT_HANDED_ON = {
    "INFERENCE_FRAMES_BIND",  # Each worker takes a socket of its own in the shared volume.
    "INFERENCE_FRAMES_ADVERTISE",
    "INFERENCE_LINK_KEYS",  # For links between hosts; here there is none.
    "SIGNALING_LINK_KEYS",
}

VARIANTS = pytest.mark.parametrize("variant", [load(BASE), load_cpu_variant()], ids=["gpu", "cpu"])


def validate(document: Any) -> None:
    """Check against the Compose specification's own JSON schema, as check-jsonschema carries it."""
    schema = files("check_jsonschema.builtin_schemas.vendor") / "compose-spec.json"
    Draft202012Validator(json.loads(schema.read_text())).validate(document)


def environment(variant: dict[str, Any], service: str) -> dict[str, str | None]:
    found: dict[str, str | None] = variant["services"][service]["environment"]
    return found


def fixed(variant: dict[str, Any], service: str) -> dict[str, str]:
    return {name: value for name, value in environment(variant, service).items() if value is not None}


def run_mount(variant: dict[str, Any], service: str) -> dict[str, Any]:
    mounts = [one for one in variant["services"][service]["volumes"] if one["target"] == RUN_DIR]
    assert len(mounts) == 1
    found: dict[str, Any] = mounts[0]
    return found


@pytest.mark.parametrize(
    "document", [load(BASE), load(CPU), load_cpu_variant()], ids=["gpu", "cpu", "merged"]
)
def test_file_follows_the_compose_specification(document: dict[str, Any]) -> None:
    validate(document)


@pytest.mark.parametrize(
    ("service", "fault"),
    [
        ("inference", {"restrat": "always"}),
        ("inference", {"deploy": {"resources": {"reservations": {"devices": [{"count": "all"}]}}}}),
        ("signaling", {"healthcheck": {"interval": 10}}),
        ("signaling", {"cap_drop": "ALL"}),
    ],
)
def test_schema_refuses_a_faulty_file(service: str, fault: dict[str, Any]) -> None:
    document = load(BASE)
    document["services"][service].update(fault)
    with pytest.raises(ValidationError):
        validate(document)


def test_every_gpu_of_the_host_is_reserved_for_inference_alone() -> None:
    services = load(BASE)["services"]
    assert services["inference"]["deploy"] == {
        "resources": {
            "reservations": {"devices": [{"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}]}
        }
    }
    assert "deploy" not in services["signaling"]


def test_cpu_variant_asks_for_no_gpu_and_takes_the_image_without_detectron2() -> None:
    inference = load_cpu_variant()["services"]["inference"]
    assert not inference.keys() & {"deploy", "runtime", "devices", "gpus"}
    assert inference["build"]["target"] == "cpu"
    assert inference["image"] != load(BASE)["services"]["inference"]["image"]


def test_cpu_variant_leaves_signaling_as_it_is() -> None:
    assert load_cpu_variant()["services"]["signaling"] == load(BASE)["services"]["signaling"]


@VARIANTS
def test_inference_can_be_scaled(variant: dict[str, Any]) -> None:
    inference = variant["services"]["inference"]
    assert not inference.keys() & {
        "container_name",
        "ports",
        "expose",
        "hostname",
        "network_mode",
        "networks",
    }
    # Without one each worker takes a socket of its own.
    assert "INFERENCE_FRAMES_BIND" not in inference["environment"]


@VARIANTS
def test_signaling_uses_the_network_of_the_host(variant: dict[str, Any]) -> None:
    assert variant["services"]["signaling"]["network_mode"] == "host"
    assert "ports" not in variant["services"]["signaling"]


@VARIANTS
def test_zeromq_has_no_port_and_every_socket_lies_in_the_shared_volume(variant: dict[str, Any]) -> None:
    texts = [
        value
        for service in ("signaling", "inference")
        for value in fixed(variant, service).values()
        if "://" in value
    ]
    assert len(texts) == 2
    for text in texts:
        endpoint = endpoints.parse(text)
        assert endpoint.transport == "ipc"
        assert endpoint.host.rpartition("/")[0] == RUN_DIR
    sources = {run_mount(variant, service)["source"] for service in ("signaling", "inference")}
    assert sources == {"run"}


@VARIANTS
def test_weights_outlive_their_container_and_are_shared_by_all_workers(variant: dict[str, Any]) -> None:
    folder = PurePath(str(environment(variant, "inference")["INFERENCE_WEIGHTS_DIR"]))
    [mount] = [one for one in variant["services"]["inference"]["volumes"] if one["source"] == "weights"]
    assert mount["type"] == "volume"
    assert folder.is_relative_to(mount["target"])
    assert not mount.get("read_only", False)
    # Docker's own driver keeps it on disk.
    assert variant["volumes"]["weights"] is None


@VARIANTS
def test_workers_report_to_where_signaling_listens(variant: dict[str, Any]) -> None:
    results = environment(variant, "signaling")["SIGNALING_RESULTS_BIND"]
    assert environment(variant, "inference")["INFERENCE_SIGNALING"] == results


@VARIANTS
def test_shared_volume_is_memory_that_only_the_services_user_can_enter(variant: dict[str, Any]) -> None:
    driver_opts = variant["volumes"]["run"]["driver_opts"]
    assert (driver_opts["type"], driver_opts["device"]) == ("tmpfs", "tmpfs")
    options = dict(option.partition("=")[::2] for option in driver_opts["o"].split(","))
    user, _, group = variant["services"]["signaling"]["user"].partition(":")
    assert (options["uid"], options["gid"], options["mode"]) == (user, group, "0700")
    assert user != "0"
    assert user.isdigit()


@VARIANTS
def test_both_services_run_as_the_same_user_with_no_privilege(variant: dict[str, Any]) -> None:
    signaling, inference = variant["services"]["signaling"], variant["services"]["inference"]
    assert signaling["user"] == inference["user"]
    for service in (signaling, inference):
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert not service.keys() & {"privileged", "cap_add", "pid", "ipc", "userns_mode"}


@VARIANTS
def test_both_services_come_back_and_are_asked_to_end_before_they_are_killed(variant: dict[str, Any]) -> None:
    for service in variant["services"].values():
        assert service["restart"] == "unless-stopped"
        assert service["init"] is True
        assert service["healthcheck"]["test"][0] == "CMD"
        assert int(service["stop_grace_period"].removesuffix("s")) >= 10


def test_every_container_has_its_bounds_which_the_operator_may_set() -> None:
    for name, service in load(BASE)["services"].items():
        assert service["cpus"] == f"${{{name.upper()}_CPUS:-0}}"
        assert service["mem_limit"].startswith(f"${{{name.upper()}_MEMORY:-")
        assert service["pids_limit"] > 0
        assert service["healthcheck"]["test"]


@VARIANTS
def test_root_is_read_only_but_where_the_nvidia_runtime_writes(variant: dict[str, Any]) -> None:
    assert variant["services"]["signaling"]["read_only"] is True
    has_gpu = "deploy" in variant["services"]["inference"]
    assert variant["services"]["inference"].get("read_only", False) is not has_gpu


@VARIANTS
@pytest.mark.parametrize(
    ("service", "settings"), [("signaling", SignalingSettings), ("inference", InferenceSettings)]
)
def test_every_setting_is_handed_on_under_its_own_name(
    variant: dict[str, Any], service: str, settings: type[SignalingSettings] | type[InferenceSettings]
) -> None:
    prefix = f"{service.upper()}_"
    names = {name for name in environment(variant, service) if name.startswith(prefix)}
    fields = {prefix + field.upper() for field in settings.model_fields}
    assert names == fields - NOT_HANDED_ON
    others = {name for name in environment(variant, service) if not name.startswith("OTEL_")} - names
    assert others == ({RUN_DIR_VARIABLE} if service == "inference" else set())


def test_both_services_are_told_alike_where_spans_go() -> None:
    told = [
        {name for name in environment(load(BASE), service) if name.startswith("OTEL_")}
        for service in ("signaling", "inference")
    ]
    assert told[0] == told[1] >= {"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS"}


@VARIANTS
def test_fixed_values_are_ones_that_the_services_accept(
    variant: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for service in ("signaling", "inference"):
        for name, value in fixed(variant, service).items():
            monkeypatch.setenv(name, value)
    assert read_signaling_settings([]).results_bind == "ipc:///run/p2pcamera/results.ipc"
    inference = read_inference_settings([])
    assert inference.frames == "ipc:///run/p2pcamera/worker-*.ipc"
    assert inference.signaling == ("ipc:///run/p2pcamera/results.ipc",)
    assert str(inference.weights_dir) == environment(variant, "inference")["INFERENCE_WEIGHTS_DIR"]
    assert environment(variant, "inference")[RUN_DIR_VARIABLE] == RUN_DIR


@VARIANTS
def test_https_for_a_domain_comes_with_its_profile_alone(variant: dict[str, Any]) -> None:
    caddy = variant["services"]["caddy"]
    assert caddy["profiles"] == ["tls"]
    assert caddy["cap_add"] == ["NET_BIND_SERVICE"]
    assert caddy["read_only"] is True
    mounts = {
        one["target"]: one["source"] for one in caddy["volumes"] if isinstance(one, dict) and "source" in one
    }
    # On disk: who asks for new certificates at each start is soon given none.
    assert variant["volumes"][mounts["/data"]] is None
    (file,) = [one for one in caddy["volumes"] if isinstance(one, str)]
    source, target, mode = file.split(":")
    assert (target, mode) == ("/etc/caddy/Caddyfile", "ro")
    text = (ROOT / source).read_text()
    read = set(re.findall(r"\{\$(\w+):", text))
    assert read - {"HEALTH_PORT"} == set(caddy["environment"])
    assert f"127.0.0.1:{{$HEALTH_PORT:{caddy['healthcheck']['test'][-1].split(':')[-1].strip('/')}}}" in text


def test_the_example_of_settings_names_what_compose_hands_on() -> None:
    text = (ROOT / ".env.example").read_text()
    named = set(re.findall(r"^#?([A-Z0-9_]+)=", text, re.M))
    handed_on = {
        name
        for one in load(BASE)["services"].values()
        for name, value in one.get("environment", {}).items()
        if value is None
    }
    filled_in = set(re.findall(r"\$\{(\w+)", BASE.read_text()))
    # Compose's own variables are no settings.
    assert {name for name in named if not name.startswith("COMPOSE_")} == handed_on | filled_in


def test_values_in_the_example_are_ones_that_the_services_accept(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / ".env.example").read_text()
    shown = dict(re.findall(r"^#?([A-Z0-9_]+)=(.+)", text, re.M))
    # One way of several, or files that are not here.
    left_out = "SSL_CERTFILE SSL_KEYFILE API_KEY_FILE UDP_PORT_RANGE TOKEN_KEY TOKEN_JWKS TOKEN_ISSUER OPEN"
    for name, value in shown.items():
        if name.partition("_")[2] not in left_out.split():
            monkeypatch.setenv(name, value.strip("'"))
    monkeypatch.setenv("SIGNALING_API_KEY", "a key")
    monkeypatch.delenv("SIGNALING_TOKEN_AUDIENCE")
    assert read_signaling_settings([]).udp_port == int(shown["SIGNALING_UDP_PORT"])
    assert read_inference_settings([]).filter_settings == {"densepose": {"short_side": 800}}


def mediamtx() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the service of compose, and the file that it reads."""
    service = load(BASE)["services"]["mediamtx"]
    (mount,) = [one for one in service["volumes"] if isinstance(one, str)]
    source, target, mode = mount.split(":")
    # Where MediaMTX looks first.
    assert (target, mode) == ("/mediamtx.yml", "ro")
    return service, yaml.safe_load((ROOT / source).read_text())


def set_by(config: Any, variable: str) -> Any:
    """Return the value of the file that a variable overwrites, as MediaMTX finds it."""
    found = config
    for part in variable.removeprefix("MTX_").split("_"):
        if isinstance(found, list):
            found = found[int(part)]
        else:
            (key,) = [one for one in found if one.upper() == part]
            found = found[key]
    return found


def test_mediamtx_comes_with_its_profile_alone_and_keeps_to_loopback() -> None:
    service, config = mediamtx()
    assert service["profiles"] == ["live"]
    assert "cap_add" not in service
    listening = {name: value for name, value in config.items() if name.endswith("Address")}
    assert len(listening) == 4
    for name, address in listening.items():
        assert address.startswith("127.0.0.1:")
        assert service["environment"][f"MTX_{name.upper()}"] == address.replace(
            "127.0.0.1", "${LIVE_HOST:-127.0.0.1}"
        )


def test_every_variable_of_mediamtx_overwrites_a_value_of_its_file() -> None:
    service, config = mediamtx()
    for variable, value in service["environment"].items():
        usual = re.sub(r"\$\{\w+:-\}", "", value.replace("$$", "$"))
        usual = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", usual)
        was = set_by(config, variable)
        assert usual == (str(was).lower() if isinstance(was, bool) else was), variable


def test_no_password_opens_mediamtx_until_one_is_set() -> None:
    _, config = mediamtx()
    anybody, named = config["authInternalUsers"]
    assert set(anybody["ips"]) == {"127.0.0.1", "::1"}
    kind, _, digest = named["pass"].partition(":")
    assert (kind, base64.b64decode(digest)) == ("sha256", bytes(32))
    assert {one["action"]: one["path"] for one in named["permissions"]} == {
        "publish": "~^in/",
        "read": "~^out/",
    }


def test_mediamtx_reads_and_publishes_by_calls_that_the_service_has() -> None:
    _, config = mediamtx()
    defaults = config["pathDefaults"]
    (forward,) = defaults["forward"]
    assert re.fullmatch(r"whep://127\.0\.0\.1:7860/whep/\$G1", defaults["source"])
    assert re.fullmatch(r"whip://127\.0\.0\.1:7860/whip\?stream=\$G1&filter=ink", forward["dest"])
    out, taken, ready = (
        config["paths"][f"~^{one}/([A-Za-z0-9_-]{{1,64}})$"] for one in ("out", "in", "ready")
    )
    # Only what is ready is published: a picture of the service that came back would go round for ever.
    assert out == {"sourceOnDemand": True, "forward": []}
    assert (taken["forward"], taken["source"], ready["source"]) == ([], "publisher", "publisher")
    assert "forward" not in ready
    assert "/ready/$G1" in taken["runOnAvailable"]

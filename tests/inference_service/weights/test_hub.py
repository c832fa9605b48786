from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator

import pytest

from inference_service.errors import WeightsError
from inference_service.weights import hub
from inference_service.weights.fetch import FetchError
from inference_service.weights.folder import WeightsFile, WeightsFolder
from tests.inference_service.hub_server import COMMIT, Hub, hub_of

LARGE = random.Random(2).randbytes(200_000)
SMALL = b'{"_class_name": "UNet2DConditionModel"}\n'


@pytest.fixture
def served() -> Iterator[Hub]:
    with hub_of(LARGE, SMALL) as one:
        yield one


def declared(served: Hub, name: str) -> WeightsFile:
    return WeightsFile(f"model-{name}", served.address(name), None, "none")


@pytest.mark.parametrize(("name", "content"), [("large", LARGE), ("small", SMALL)])
def test_file_comes_whole_and_later_starts_ask_nobody(
    served: Hub, folder: WeightsFolder, name: str, content: bytes
) -> None:
    file = declared(served, name)
    path = folder.get(file)
    assert path.read_bytes() == content
    asked = len(served.asked) + len(served.store.asked)
    assert folder.get(file) == path
    served.status = 500
    assert folder.get(file) == path
    assert len(served.asked) + len(served.store.asked) == asked


@pytest.mark.parametrize("name", ["large", "small"])
def test_other_bytes_than_the_hub_says_never_get_the_name(
    served: Hub, folder: WeightsFolder, name: str
) -> None:
    stated = hub.ask(served.address(name))
    served.store.content = b"x" + LARGE[1:]
    served.small = b"x" + SMALL[1:]
    folder.path.mkdir(parents=True)
    hub.keep(folder.path / f"model-{name}.sum", served.address(name), stated)
    with pytest.raises(WeightsError, match="gave another file than"):
        folder.get(declared(served, name))
    assert not (folder.path / f"model-{name}").exists()


def test_present_file_is_held_to_what_was_said(served: Hub, folder: WeightsFolder) -> None:
    path = folder.get(declared(served, "large"))
    path.write_bytes(LARGE[:-1])
    with pytest.raises(WeightsError, match="truncated"):
        folder.get(declared(served, "large"))


def test_note_of_another_commit_counts_for_nothing(served: Hub, folder: WeightsFolder) -> None:
    path = folder.get(declared(served, "large"))
    note = path.with_name(f"{path.name}.sum")
    note.write_text(note.read_text().replace(COMMIT, "f" * 40))
    before = len(served.asked)
    folder.get(declared(served, "large"))
    assert served.asked[before:] == [("HEAD", f"/owner/model/resolve/{COMMIT}/large")]
    assert COMMIT in note.read_text()


@pytest.mark.parametrize("note", ["", "sha256:00 1 x", "\xff", "md5:" + "0" * 32 + " 1 x\n"])
def test_damaged_note_is_asked_for_anew(served: Hub, folder: WeightsFolder, note: str) -> None:
    path = folder.get(declared(served, "small"))
    path.with_name(f"{path.name}.sum").write_text(note, "latin1")
    assert folder.get(declared(served, "small")).read_bytes() == SMALL


def test_file_without_its_note_and_without_a_hub_tells_what_to_bring(
    served: Hub, folder: WeightsFolder
) -> None:
    path = folder.get(declared(served, "large"))
    path.with_name(f"{path.name}.sum").unlink()
    served.status = 404
    with pytest.raises(
        WeightsError, match=r"could not be asked .* 404 .*bring model-large and model-large\.sum"
    ):
        folder.get(declared(served, "large"))


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"X-Repo-Commit": "f" * 40}, "speaks of commit f"),
        ({"X-Repo-Commit": ""}, "speaks of commit None"),
        ({"X-Linked-Size": ""}, "does not say which sum and size"),
        ({"X-Linked-Etag": '"0123"'}, "does not say which sum and size"),
        ({"X-Linked-Etag": ""}, "does not say which sum and size"),
    ],
)
def test_answer_that_leaves_something_open_is_refused(
    served: Hub, headers: dict[str, str], said: str
) -> None:
    served.headers = headers
    with pytest.raises(FetchError, match=said):
        hub.ask(served.address("large"))


def test_nobody_at_home_is_told(served: Hub) -> None:
    with pytest.raises(FetchError, match="Connection refused"):
        hub.ask(f"http://127.0.0.1:9/o/m/resolve/{COMMIT}/x")


def test_only_addresses_of_one_commit_may_leave_the_sum_to_the_hub() -> None:
    with pytest.raises(ValueError, match="names no commit"):
        WeightsFile("a", "https://huggingface.co/o/m/resolve/main/x", None, "none")
    with pytest.raises(ValueError, match="no file name"):
        WeightsFile("a.sum", f"https://huggingface.co/o/m/resolve/{COMMIT}/x", None, "none")


def test_several_files_show_one_progress_that_never_falls(served: Hub, folder: WeightsFolder) -> None:
    told: list[tuple[str, float]] = []
    shown = WeightsFolder(folder.path, lambda text, fraction: told.append((text, fraction)))
    sha256 = f"sha256:{hashlib.sha256(LARGE).hexdigest()}"
    files = [
        declared(served, "small"),
        declared(served, "large"),
        WeightsFile("again", served.store.url, sha256, "none", len(LARGE)),
    ]
    paths = shown.get_all(files)
    assert [path.read_bytes() for path in paths] == [SMALL, LARGE, LARGE]
    fractions = [fraction for text, fraction in told if not text.startswith("asking")]
    assert fractions == sorted(fractions)
    assert max(fractions) == pytest.approx(1.0)
    halves = [fraction for text, fraction in told if text == "checking model-large"]
    assert halves == [pytest.approx(0.5, abs=0.01)]


def test_hub_is_not_told_who_asks(
    served: Hub, folder: WeightsFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    folder.get(declared(served, "large"))
    for headers in [*served.asked_with, *served.store.headers]:
        assert "authorization" not in headers
        assert headers["user-agent"] == "p2pcamera"

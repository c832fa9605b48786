"""docs/reference.md names what the shim and the service have, all of it and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.routing import iter_route_contexts

from inference_service.errors import Cause, SessionError
from inference_service.filters.base import KINDS
from inference_service.filters.trouble import Code
from shared.wire import FilterState
from signaling_service.errors import PassedOn, SignalingError
from signaling_service.http.app import create_app
from signaling_service.session.control import MAX_MESSAGE_CHARS, MAX_WAITING
from signaling_service.session.requests import Offer
from tests.signaling_service.calling import page, running
from tests.signaling_service.making import WireWorker

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "reference.md").read_text()
SHIM = "".join(path.read_text() for path in sorted((ROOT / "static" / "shim").rglob("*.js")))
TYPES = (ROOT / "static" / "p2pcamera.d.ts").read_text()
OF_OTHER_CLIENTS = {
    *("not_found", "method_not_allowed", "unsupported_media_type"),
    *("precondition_required", "precondition_failed"),
}
SAID_OTHERWISE = {
    *("unauthorized", "token_expired", "token_spent", "forbidden", "cannot_run", "error"),
    *(
        "stream_forbidden",
        "stream_taken",
        "taken_over",
        "stream_elsewhere",
        "unknown_stream",
        "too_many_viewers",
    ),
}
"""What is said of tokens, of a filter's trouble, and by the panel and the page of a stream."""


def section(title: str) -> str:
    """Return what stands between a heading and the next of its level or above."""
    found = re.search(rf"^(##+) {re.escape(title)}\n", DOCUMENT, re.M)
    assert found is not None, title
    return re.split(rf"^#{{1,{len(found[1])}}} ", DOCUMENT[found.end() :], maxsplit=1, flags=re.M)[0]


def rows(text: str, number: int = 0) -> list[list[str]]:
    """Return the cells of a section's table, without its head."""
    table = re.findall(r"(?:^\|.*\n)+", text, re.M)[number]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]


def names(text: str, number: int = 0) -> set[str]:
    """Return the names in the first column, without a method's parameters."""
    return {name for row in rows(text, number) for name in re.findall(r"`([\w-]+)[^`]*`", row[0])}


def members(of: str) -> set[str]:
    """Return the members of one of the shim's public types."""
    found = re.search(rf"^export interface {of}\b[^{{]*\{{\n(.*?)^\}}", TYPES, re.M | re.S)
    assert found is not None, of
    return set(re.findall(r"^  (?:readonly )?(\w+)\??[(:<]", found[1], re.M))


def test_the_attributes_are_those_that_the_shim_reads() -> None:
    (read,) = re.findall(r"\{ ([\w,\s]+) \} =\s+script\?\.dataset", SHIM)
    written = {
        re.sub("[A-Z]", lambda letter: f"-{letter[0].lower()}", name) for name in re.split(r",\s+", read)
    }
    assert names(section("The script tag")) == {f"data-{name}" for name in written}


@pytest.mark.parametrize(
    ("title", "type_"),
    [
        ("`window.p2pcamera`", "P2PCamera"),
        ("Sessions", "P2PCameraSession"),
        ("Fault codes", "P2PCameraFault"),
    ],
)
def test_the_members_are_those_of_the_type(title: str, type_: str) -> None:
    assert names(section(title)) == members(type_) - {"addEventListener", "removeEventListener"}


def test_the_statistics_are_those_of_the_type() -> None:
    assert names(section("From the server"), 2) == members("P2PCameraStats") - {"type"}


def test_the_states_are_those_of_a_session() -> None:
    found = re.search(r"type P2PCameraState =(.*);", TYPES)
    assert found is not None
    assert names(section("States")) == set(re.findall(r'"(\w+)"', found[1]))


def test_the_events_are_those_of_the_type() -> None:
    assert names(section("Events")) == members("P2PCameraEvents")


def test_the_fault_codes_are_those_that_the_shim_gives() -> None:
    given = re.findall(r"(?:new Fault\(|faultFrom\(\w+, |error\?\.code \?\? )\s*\"(\w+)\"", SHIM)
    assert names(section("Fault codes"), 1) == set(given)


def all_errors(base: type[SignalingError] = SignalingError) -> Iterator[type[SignalingError]]:
    yield base
    for each in base.__subclasses__():
        yield from all_errors(each)


def test_the_errors_are_those_of_the_service() -> None:
    raised = {
        one.code: (one.status, one.retry_after_s)
        for one in all_errors()
        if one.__module__.startswith("signaling_service") and one is not PassedOn
    }
    # What the framework raises has codes of its own: `app._on_http_exception`.
    raised |= {"not_found": (404, None), "method_not_allowed": (405, None)}
    documented = {
        code.strip("`"): (int(status), int(retry_after_s) if retry_after_s else None)
        for code, status, retry_after_s, _ in rows(section("Errors"))
    }
    assert documented == raised


def test_the_worker_s_codes_are_those_that_it_gives() -> None:
    given = {SessionError.code} | {each.code for each in SessionError.__subclasses__()}
    assert names(section("From the server"), 1) == given


def test_pages_have_words_for_every_code_that_they_can_meet() -> None:
    words = (ROOT / "static" / "shared" / "text" / "ja.js").read_text()
    worded = set(re.findall(r'^  "fault\.(\w+)":', words, re.M))
    codes = names(section("Fault codes"), 1) | names(section("Errors")) | names(section("From the server"), 1)
    assert worded <= codes
    assert codes - worded == {*OF_OTHER_CLIENTS, *SAID_OTHERWISE}


def test_the_reasons_are_those_that_a_worker_gives() -> None:
    assert names(section("`GET /filters`")) == {code.value for code in Code}
    assert names(section("`GET /filters`"), 1) == {*Cause, *KINDS}


def calls() -> dict[str, str]:
    """Return each documented call, and whether it needs the key."""
    return {row[0].strip("`"): row[1] for row in rows(section("HTTP calls"))}


async def test_the_calls_are_those_of_the_application(results: str) -> None:
    async with running(results) as made:
        routes = create_app(made.service).routes
    served = {(method, one.path) for one in iter_route_contexts(routes) for method in one.methods or ()}
    assert set(calls()) == {f"{method} {path}" for method, path in served}


async def test_the_calls_marked_with_a_key_need_it(results: str) -> None:
    async with running(results, api_key="secret") as service:
        for call, needs_key in calls().items():
            answer = await service.http.request(*call.split(" "))
            assert (answer.status_code == 401) == (needs_key == "yes"), call


def example(title: str, number: int = 0) -> set[str]:
    """Return the keys, of inner objects too, in a section's JSON example."""
    text = re.findall(r"```json\n(.*?)```", section(title), re.S)[number]
    return set(re.findall(r'^ +"(\w+)":', text, re.M))


async def test_answers_have_the_documented_members(results: str) -> None:
    async with running(results) as service, page() as caller:
        with WireWorker(results):
            await service.has_worker()
            served = (await service.http.get("/filters")).json()
            offer = {"type": "offer", "sdp": await caller.offer()}
            answer = (await service.http.post("/offer", json=offer)).json()
            await service.http.delete(f"/sessions/{answer['session']}")
    assert example("`GET /filters`") == set(served) | set(served["filters"][0])
    assert all(f"`{state}`" in section("`GET /filters`") for state in FilterState)
    assert example("`POST /offer`") == set(Offer.model_fields)
    assert example("`POST /offer`", 1) == set(answer)


def test_the_limits_of_the_data_channel_are_its_own() -> None:
    text = " ".join(section("The data channel").split())
    assert f"at most {MAX_MESSAGE_CHARS:,} characters" in text
    assert f"At most {MAX_WAITING} changes may wait" in text

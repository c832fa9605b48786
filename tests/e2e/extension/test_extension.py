"""The unpacked extension in Chromium, on pages that allow nothing and on one that wants to know all."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from PIL import Image
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Page

from harness.certificate import write_certificate
from harness.deadline import eventually
from harness.extension import OWN_SITE, Extended, extended, own_world, prepare, sees, world
from harness.services import Services
from tests.e2e import palette_filter, troubled_filters

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOKEN = "not-for-any-page-4711"
MEET = "https://meet.google.com/abc"
TEAMS = "https://teams.microsoft.com/v2/"
ELSEWHERE = "https://teams.live.com/", "https://teams.cloud.microsoft/"
STRICT = {
    "Content-Security-Policy": "default-src 'none'; script-src 'nonce-own'; connect-src 'self';"
    " frame-src 'self'; require-trusted-types-for 'script'; trusted-types 'none'; treat-as-public-address"
}
IS_REGISTERED = "async () => (await chrome.scripting.getRegisteredContentScripts()).length === 2"
PLAIN = "<!doctype html><title>A page</title>"
HOSTILE = Path(__file__).parents[1] / "pages" / "hostile.js"
FRAMES = f"{PLAIN}<iframe id=same src=/plain allow=camera></iframe><iframe id=blank allow=camera></iframe>"


def _pages(server: str) -> dict[str, tuple[str, dict[str, str]]]:
    hostile = f"<script>{HOSTILE.read_text()}</script>"
    own_tag = (
        f'<script src="{server}/p2pcamera.js" data-token="{TOKEN}" data-filter="invert"></script>'
        # The shim has read its tag, which is on the page for all to see.
        "<script>document.currentScript.previousElementSibling.remove()</script>"
    )
    return {
        "/abc": (PLAIN, STRICT),
        "/v2/": (PLAIN, STRICT),
        "/": (PLAIN, {}),
        "/plain": (PLAIN, {}),
        "/frames": (FRAMES, {}),
        "/hostile": (f"{PLAIN}{hostile}", {}),
        "/hostile-own": (f"{PLAIN}{own_tag}{hostile}", {}),
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def services(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Services]:
    """A server that asks for the token, with one worker."""
    async with Services(tmp_path_factory.mktemp("services")) as services:
        services.start_signaling("--api-key", TOKEN, "--default-filter", "invert")
        services.http.headers["Authorization"] = f"Bearer {TOKEN}"
        services.start_light_worker("invert,passthrough")
        await services.ready({"invert": 1, "passthrough": 1})
        yield services
    print(services.output())


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory, services: Services) -> Iterator[int]:
    """Where all sites of the world are served."""
    folder = tmp_path_factory.mktemp("world")
    with world(write_certificate(folder), _pages(services.url)) as port:
        yield port


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(
    tmp_path_factory: pytest.TempPathFactory, camera: Path, port: int
) -> AsyncIterator[Extended]:
    async with extended(tmp_path_factory.mktemp("extension"), camera, port) as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def ready(browser: Extended, services: Services) -> Extended:
    """The extension set to the server, with the filter `invert`."""
    await browser.store({"server": f"{services.url}/", "token": TOKEN, "filter": "invert"})
    return browser


@asynccontextmanager
async def _page(browser: Extended, url: str) -> AsyncIterator[Page]:
    page = await browser.page(url)
    try:
        yield page
    finally:
        await page.close()


async def test_camera_is_filtered_where_the_page_itself_may_call_nobody(
    ready: Extended, services: Services
) -> None:
    async with _page(ready, MEET) as page:
        refused = "() => fetch(new URL('/filters', location.hash.slice(1))).then(() => '', String)"
        await page.evaluate("url => { location.hash = url; }", services.url)
        assert "Failed to fetch" in await page.evaluate(refused)
        assert await page.evaluate("attempt()") == ""
        await sees(page, is_inverted=True)
        assert not await page.evaluate("'p2pcamera' in window")


async def test_teams_is_filtered_and_its_other_addresses_have_our_scripts(ready: Extended) -> None:
    async with _page(ready, TEAMS) as page:
        assert await page.evaluate("attempt({ video: true, audio: true })") == ""
        await sees(page, is_inverted=True)
        assert await page.evaluate("stream.getAudioTracks().length") == 1
        for url in ELSEWHERE:
            await page.goto(url)
            assert await (await own_world(ready, page)).run("chrome.runtime.id")


async def test_cameras_of_frames_are_filtered(ready: Extended) -> None:
    async with _page(ready, "https://meet.google.com/frames") as page:
        for frame in ("same", "blank"):
            asked = f"attempt({{ video: true }}, {frame}.contentWindow.navigator.mediaDevices)"
            assert await page.evaluate(asked) == "", frame
            await sees(page, is_inverted=True)
        fresh = """() => {
          const frame = document.createElement("iframe");
          frame.allow = "camera";
          document.body.append(frame);
          return attempt({ video: true }, frame.contentWindow.navigator.mediaDevices);
        }"""
        assert await page.evaluate(fresh) == ""
        await sees(page, is_inverted=True)


async def test_page_that_spies_on_everything_sees_no_secret(ready: Extended, services: Services) -> None:
    async def secrets(url: str) -> set[str]:
        async with _page(ready, url) as page:
            assert await page.evaluate("attempt()") == ""
            await sees(page, is_inverted=True)
            spied = await page.evaluate("spied()")
        assert spied["calls"] > 100
        seen = "\n".join(spied["texts"])
        sought = {
            "token": TOKEN,
            "server": services.url.removeprefix("http://"),
            "sdp": "v=0",
            "candidate": "candidate:",
            "ufrag": "ice-ufrag:",
        }
        return {name for name, text in sought.items() if text in seen}

    # That it would see them: a page whose own tag has the shim has no secrets from itself.
    assert await secrets("https://own.test/hostile-own") == {"token", "server", "sdp", "candidate", "ufrag"}
    assert await secrets("https://meet.google.com/hostile") == set()


async def test_no_script_in_a_page_can_read_what_the_extension_keeps(ready: Extended) -> None:
    async with _page(ready, MEET) as page:
        ours = await own_world(ready, page)
        assert "Access to storage is not allowed" in await ours.run("chrome.storage.local.get()")
        assert "Access to storage is not allowed" in await ours.run("chrome.storage.session.get()")
        told = await ours.run("chrome.runtime.sendMessage({ type: 'settings' })")
        assert told == {"isOn": True, "filter": "invert", "params": {}, "outage": "closed"}


async def test_worker_makes_no_call_that_the_shim_does_not_need(ready: Extended, services: Services) -> None:
    offer = '{"type":"offer","sdp":"v=0"}'
    json_body = f"contentType: 'application/json', body: '{offer}'"
    async with _page(ready, MEET) as other, _page(ready, TEAMS) as page:
        assert await other.evaluate("attempt()") == ""
        foreign = await _only_session(ready)
        ours = await own_world(ready, page)
        for message in (
            "{ type: 'call', method: 'GET', path: 'filters/ink' }",
            "{ type: 'call', method: 'GET', path: 'metrics' }",
            "{ type: 'call', method: 'GET', path: 'https://elsewhere.test/ice-servers' }",
            "{ type: 'call', method: 'GET', path: 'ice-servers', server: 'https://elsewhere.test/' }",
            "{ type: 'call', method: 'GET', path: 'ice-servers', headers: { Cookie: 'a' } }",
            f"{{ type: 'call', method: 'PUT', path: 'offer', {json_body} }}",
            "{ type: 'call', method: 'POST', path: 'offer' }",
            f"{{ type: 'call', method: 'DELETE', path: 'sessions/{foreign}' }}",
            f"{{ type: 'call', method: 'PATCH', path: 'sessions/{foreign}',"
            " contentType: 'application/json', body: '{}' }",
            "{ type: 'filters' }",
            "{ type: 'token' }",
            "[]",
            "'call'",
        ):
            assert await ours.run(f"chrome.runtime.sendMessage({message})") == {"fault": "refused"}, message
        allowed = await ours.run(
            f"chrome.runtime.sendMessage({{ type: 'call', method: 'POST', path: 'offer', {json_body} }})"
        )
        assert allowed["status"] == 422, "the server was asked, and has no use for such an offer"


async def test_offer_is_checked_key_by_key(browser: Extended) -> None:
    changes = {
        "{}": True,
        "{ filter: 'ink', params: { strength: 1 }, outage: 'open' }": True,
        "{ filter: ['ink', 'invert'] }": True,
        "{ filter: '../ink' }": False,
        "{ filter: Array(9).fill('ink') }": False,
        "{ params: [] }": False,
        "{ outage: 'never' }": False,
        "{ sdp: 'o=0' }": False,
        "{ sdp: 'v=0' + 'a'.repeat(65536) }": False,
        "{ type: 'answer' }": False,
        "{ token: 'x' }": False,
    }
    passed = await browser.run(
        f"""async () => {{
          const {{ checkedCall }} = await import("/checks.js");
          return [{", ".join(changes)}].map((change) => {{
            const body = JSON.stringify({{ type: "offer", sdp: "v=0", ...change }});
            const call = {{ method: "POST", path: "offer", contentType: "application/json", body }};
            return checkedCall({{ type: "call", ...call }}) !== null;
          }});
        }}"""
    )
    assert dict(zip(changes, passed, strict=True)) == changes


async def test_change_too_long_for_the_data_channel_is_checked_too(browser: Extended) -> None:
    bodies = {
        "{ filter: 'background', params: { picture: 'a'.repeat(700_000) } }": True,
        "{ filter: ['background', 'ink'], params: {} }": True,
        "{ filter: 'background' }": False,
        "{ filter: '../ink', params: {} }": False,
        "{ filter: 'ink', params: [] }": False,
        "{ filter: 'ink', params: {}, outage: 'open' }": False,
        "{ filter: 'ink', params: { picture: 'a'.repeat(1_100_000) } }": False,
    }
    passed = await browser.run(
        f"""async () => {{
          const {{ checkedCall }} = await import("/checks.js");
          const path = `sessions/${{"0f".repeat(16)}}`;
          const contentType = "application/json";
          return [{", ".join(bodies)}].map((change) => checkedCall({{
            type: "call", method: "PATCH", path, contentType, body: JSON.stringify(change),
          }}) !== null);
        }}"""
    )
    assert dict(zip(bodies, passed, strict=True)) == bodies


async def test_candidates_are_lines_of_sdp_and_few(browser: Extended) -> None:
    bodies = {
        r"'a=candidate:1\r\n'": True,
        r"'m=video 9\r\na=mid:0\r\n'": True,
        "''": False,
        r"'v=0\r\n'": False,
        "'a=b'": False,
        '\'{"filter": "ink"}\'': False,
        r"'a=\r\n'.repeat(5000)": False,
    }
    passed = await browser.run(
        f"""async () => {{
          const {{ checkedCall }} = await import("/checks.js");
          const contentType = "application/trickle-ice-sdpfrag";
          const path = `sessions/${{"0f".repeat(16)}}`;
          return [{", ".join(bodies)}].map((body) =>
            checkedCall({{ type: "call", method: "PATCH", path, contentType, body }}) !== null);
        }}"""
    )
    assert dict(zip(bodies, passed, strict=True)) == bodies


async def test_sessions_outlive_the_service_worker(ready: Extended, services: Services) -> None:
    async with _page(ready, MEET) as page:
        assert await page.evaluate("attempt()") == ""
        session = await _only_session(ready)
        await ready.stop_worker()
        ours = await own_world(ready, page)
        assert (await ours.run("chrome.runtime.sendMessage({ type: 'settings' })"))["filter"] == "invert"
        question = "contentType: 'application/json', body: '{}'"
        path = f"path: 'sessions/{session}'"
        asked = await ours.run(
            f"chrome.runtime.sendMessage({{ type: 'call', method: 'PATCH', {path}, {question} }})"
        )
        assert asked["status"] == 200
        await ready.stop_worker()
    await services.has_sessions(0, within_s=20)

    async def forgotten() -> bool:
        return bool((await ready.stored("session"))["sessions"] == [])

    await eventually(forgotten, 20, "the worker has ended the session of the page that went away")


async def test_call_goes_on_after_the_server_was_restarted(ready: Extended, services: Services) -> None:
    async with _page(ready, MEET) as page:
        assert await page.evaluate("attempt()") == ""
        await sees(page, is_inverted=True)
        assert services.signaling is not None
        services.signaling.kill()
        services.signaling.start()
        await services.ready({"invert": 1})
        counters = set()

        async def has_moved() -> bool:
            seen = await page.evaluate("look()")
            assert seen is None or seen["isInverted"]
            counters.add(seen and seen["counter"])
            # The last picture from before is repeated, and one may have been on its way.
            return len(counters) > 5 and await services.sessions() == 1

        await eventually(has_moved, 30, "new filtered pictures in the same track")
        assert await page.evaluate("stream.getVideoTracks()[0].readyState") == "live"


async def test_camera_that_a_site_remembers_is_filtered_under_its_own_id(ready: Extended) -> None:
    devices = """async () => (await navigator.mediaDevices.enumerateDevices())
      .filter(({ kind }) => kind === "videoinput").map(({ deviceId, label }) => [deviceId, label])"""
    async with _page(ready, f"{OWN_SITE}/plain") as page:
        assert await page.evaluate("attempt()") == ""
        ((remembered, label),) = await page.evaluate(devices)
        await ready.store({**await ready.stored(), "sites": [OWN_SITE]})
        await eventually(lambda: ready.run(IS_REGISTERED), 20, "the site's scripts")
        await page.reload()
        await prepare(page)
        asked = f"attempt({{ video: {{ deviceId: {{ exact: '{remembered}' }} }} }})"
        assert await page.evaluate(asked) == ""
        await sees(page, is_inverted=True)
        assert await page.evaluate("stream.getVideoTracks()[0].getSettings().deviceId") == remembered
        assert await page.evaluate(devices) == [[remembered, f"{label} (filtered)"]]


async def test_options_page_saves_and_shows_what_the_server_has(
    browser: Extended, services: Services
) -> None:
    await browser.store({})
    page = await browser.own_page("options.html")
    await page.fill("#server", f"{services.url}")
    await page.click("text=Save and connect")
    await eventually(
        lambda: _says(page, "#server-message", "asks for a token"), 10, "that a token is asked for"
    )
    await page.fill("#token", TOKEN)
    await page.keyboard.press("Enter")
    await eventually(lambda: _says(page, "#server-message", "Connected."), 10, "the connection")
    assert await page.input_value("#token") == ""
    assert TOKEN not in await page.content()
    await page.check("input[value=invert]")
    await page.focus("#parameter-busy_ms")
    await page.keyboard.press("ArrowRight")
    busy_ms = await page.input_value("#parameter-busy_ms")
    assert float(busy_ms) > 0
    await page.check("input[value=open]")
    await page.fill("#new-site", "site.test/some/page")
    await page.click("#site-form button")
    await eventually(lambda: _says(page, "#sites", "site.test"), 10, "the new site in the list")
    kept = await browser.stored()
    assert kept["server"] == f"{services.url}/"
    assert (kept["filter"], kept["outage"]) == ("invert", "open")
    assert kept["params"] == {"invert": {"busy_ms": float(busy_ms)}}
    assert kept["sites"] == [OWN_SITE]
    await page.reload()
    await eventually(lambda: _is_visible(page, "#parameter-busy_ms"), 10, "the parameters")
    assert await page.input_value("#parameter-busy_ms") == busy_ms
    await page.close()


_NOTE_WORDS = """() => {
  window.heard = [];
  new MutationObserver(() => heard.push(message.textContent)).observe(message, { childList: true });
}"""


async def test_popup_changes_the_filter_of_a_running_call_and_shows_its_latency(ready: Extended) -> None:
    async with _page(ready, MEET) as page:
        assert await page.evaluate("attempt()") == ""
        await sees(page, is_inverted=True)
        popup = await ready.popup(page)
        await eventually(lambda: _matches(popup, "#latency", r"\d+ ms"), 20, "a latency")
        await popup.evaluate(_NOTE_WORDS)
        await _stand_still(ready, page, 2.5)
        await popup.select_option("#filter", "passthrough")
        await sees(page, is_inverted=False)
        heard = await popup.evaluate("heard")
        assert [said for said in heard if "not opened" in said] == [], "of a page that was busy"
        await popup.select_option("#filter", "invert")
        await sees(page, is_inverted=True)
        assert await page.evaluate("stream.getVideoTracks()[0].readyState") == "live"
        await popup.close()


async def _stand_still(browser: Extended, page: Page, duration_s: float) -> None:
    """Have a page do nothing for so long, as one that computes: paused, it takes no CPU."""
    session = await browser.context.new_cdp_session(page)
    await session.send("Debugger.enable")
    paused = asyncio.Event()
    session.once("Debugger.paused", lambda _: paused.set())
    standing = asyncio.create_task(page.evaluate("() => { debugger; }"))
    await paused.wait()
    await asyncio.sleep(duration_s)  # The pause itself.
    await session.send("Debugger.resume")
    await standing
    await session.detach()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def troubled(services: Services, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[None]:
    """A second worker, with filters that cannot run and with one that has a parameter of every kind."""
    folder = tmp_path_factory.mktemp("troubled")
    packages = [troubled_filters.install(folder / "troubled"), palette_filter.install(folder / "palette")]
    env = {"PYTHONPATH": ":".join(packages), "XDG_CACHE_HOME": str(folder / "cache")}
    worker = services.start_worker("palette", env=env)
    await services.ready({"palette": 1})

    async def is_described() -> bool:
        return "hidden" in await services.filters()

    await eventually(is_described, 20, "the worker knows its filters")
    yield
    worker.kill()


@pytest_asyncio.fixture(loop_scope="module")
async def with_trouble(ready: Extended, troubled: None) -> Extended:
    return ready


async def test_popup_and_options_list_apart_what_cannot_run_with_the_reason(with_trouble: Extended) -> None:
    async with _page(with_trouble, MEET) as page:
        popup = await with_trouble.popup(page)
        option = popup.locator("optgroup option[value=hidden]")
        await eventually(option.count, 10, "the filter is listed apart")
        assert await option.is_disabled()
        assert (await option.get_attribute("title") or "").startswith(
            "Needs the package no_such_package_here."
        )
        await popup.close()
    options = await with_trouble.own_page("options.html")
    await eventually(lambda: _says(options, "#filters-ill", "Needs the package"), 10, "the reason")
    assert await options.is_disabled("input[value=hidden]")
    await options.close()


async def test_private_choice_that_fails_meanwhile_is_refused_by_the_popup_and_the_old_one_shown(
    with_trouble: Extended,
) -> None:
    async with _page(with_trouble, MEET) as page:
        assert await page.evaluate("attempt()") == ""
        await sees(page, is_inverted=True)
        popup = await with_trouble.popup(page)
        await eventually(popup.locator("option[value=hidden]").count, 10, "the list of filters")
        # As if the filter had been fine when the list was fetched.
        await popup.evaluate("document.querySelector('option[value=hidden]').disabled = false")
        await popup.select_option("#filter", "hidden")
        await eventually(lambda: _says(popup, "#refused", "Hidden cannot run. Needs"), 10, "the refusal")
        assert "Still on: Invert." in await popup.inner_text("#refused")
        assert await popup.input_value("#filter") == "invert"
        assert (await with_trouble.stored())["filter"] == "invert"
        await sees(page, is_inverted=True)
        await popup.close()


async def test_private_choice_that_the_server_refuses_covers_an_open_call(with_trouble: Extended) -> None:
    async with _page(with_trouble, MEET) as page:
        assert await page.evaluate("attempt()") == ""
        await sees(page, is_inverted=True)
        popup = await with_trouble.popup(page)
        await with_trouble.store({**await with_trouble.stored(), "filter": "hidden"})

        async def is_covered() -> bool:
            return bool(await page.evaluate("look()") is None)

        await eventually(is_covered, 20, "nothing of the camera is seen")
        await eventually(lambda: _says(popup, "#message", "is covered until you"), 10, "that it is covered")
        await with_trouble.store({**await with_trouble.stored(), "filter": "invert"})
        await sees(page, is_inverted=True)
        await popup.close()


_HOLD_FILTERS = """(() => {
  const { sendMessage } = chrome.runtime;
  globalThis.isAsked = false;
  const released = new Promise((resolve) => { globalThis.release = resolve; });
  chrome.runtime.sendMessage = async (message) => {
    if (message.path === "filters") {
      globalThis.isAsked = true;
      await released;
    }
    return sendMessage.call(chrome.runtime, message);
  };
})()"""


async def test_popup_takes_no_private_choice_back_before_it_is_known_to_hide(with_trouble: Extended) -> None:
    async with _page(with_trouble, MEET) as page:
        assert await page.evaluate("attempt()") == ""
        await sees(page, is_inverted=True)
        ours = await own_world(with_trouble, page)
        await ours.run(_HOLD_FILTERS)
        await with_trouble.store({**await with_trouble.stored(), "filter": "hidden"})
        await eventually(
            lambda: ours.run("isAsked"), 20, "the refused call asks whether the filter is private"
        )
        popup = await with_trouble.popup(page)

        async def follows() -> bool:
            return await popup.input_value("#filter") == "invert"

        await eventually(follows, 20, "the popup shows what the call has")
        await ours.run("release()")
        await eventually(lambda: _says(popup, "#message", "is covered until you"), 20, "that it is covered")
        assert await page.evaluate("look()") is None
        assert (await with_trouble.stored())["filter"] == "hidden"
        await popup.close()


async def test_options_page_has_controls_for_pictures_colours_and_lists(
    with_trouble: Extended, tmp_path: Path
) -> None:
    options = await with_trouble.own_page("options.html")
    await options.check("input[value=palette]")
    await eventually(lambda: _is_visible(options, "#parameter-tint"), 10, "the parameters")
    await options.fill("#parameter-tint", "#00c000")
    await options.check("#parameter-parts-1")
    Image.new("RGB", (80, 60), (40, 170, 90)).save(tmp_path / "paper.png")
    await options.set_input_files("#parameter-paper", tmp_path / "paper.png")
    await eventually(
        lambda: options.evaluate("document.querySelector('.picture canvas').width === 80"), 10, "its preview"
    )

    async def kept() -> bool:
        params = (await with_trouble.stored()).get("params", {}).get("palette", {})
        is_picture = str(params.get("paper", "")).startswith("data:image/jpeg")
        return is_picture and (params["tint"], params["parts"]) == ("#00c000", ["hands"])

    await eventually(kept, 10, "all of them are kept")
    await options.close()


async def test_options_page_offers_the_usual_address(browser: Extended) -> None:
    await browser.store({})
    options = await browser.own_page("options.html")
    assert await options.input_value("#server") == "http://localhost:7860"
    await options.close()


async def test_popup_turns_the_filter_off_for_a_site_and_on_again(ready: Extended) -> None:
    async with _page(ready, MEET) as page:
        popup = await ready.popup(page)
        await eventually(lambda: popup.is_checked("#is-on"), 10, "that it is on")
        await popup.focus("#is-on")
        await popup.keyboard.press("Space")
        await eventually(lambda: _says(popup, "#message", "Off"), 10, "that it is off")
        await eventually(lambda: _opens(page, is_inverted=False), 20, "the camera as it is")
        await popup.keyboard.press("Space")
        await eventually(lambda: _opens(page, is_inverted=True), 20, "the filtered camera")
        await popup.close()


async def test_site_is_filtered_once_the_user_adds_it(ready: Extended) -> None:
    async with _page(ready, f"{OWN_SITE}/plain") as page:
        assert await page.evaluate("attempt()") == ""
        await sees(page, is_inverted=False)
        popup = await ready.popup(page)
        await popup.check("#is-on")
        await eventually(lambda: _says(popup, "#message", "after you reload the page"), 10, "the advice")
        await popup.click("#reload")
        await eventually(lambda: _opens(page, is_inverted=True), 20, "the site's camera is filtered")
        await popup.close()


async def test_cameras_are_left_alone_until_a_server_is_set(browser: Extended) -> None:
    await browser.store({})
    async with _page(browser, MEET) as page:
        assert await page.evaluate("attempt()") == ""
        await sees(page, is_inverted=False)
        popup = await browser.popup(page)
        assert await popup.is_visible("#set-up-now")
        await popup.close()


async def test_no_raw_picture_comes_from_a_server_that_is_away(ready: Extended) -> None:
    async with httpx.AsyncClient() as nobody:
        with pytest.raises(httpx.TransportError):
            await nobody.get("http://127.0.0.1:9/")
    await ready.store({"server": "http://127.0.0.1:9/", "token": TOKEN})
    async with _page(ready, MEET) as page:
        said = await page.evaluate("attempt()")
        assert said.startswith("NotReadableError")
        assert "127.0.0.1" not in said


async def _says(page: Page, selector: str, words: str) -> bool:
    return words in (await page.inner_text(selector))


async def _matches(page: Page, selector: str, pattern: str) -> bool:
    return re.fullmatch(pattern, await page.inner_text(selector)) is not None


async def _is_visible(page: Page, selector: str) -> bool:
    return await page.is_visible(selector)


async def _opens(page: Page, *, is_inverted: bool) -> bool:
    """Open the camera anew, and tell whether it shows so; the page may be loading."""
    try:
        await prepare(page)
        if await page.evaluate("attempt()") != "":
            return False
        seen: dict[str, Any] | None = await page.evaluate("look()")
    except PlaywrightError:
        return False
    return seen is not None and seen["isInverted"] is is_inverted


async def _only_session(browser: Extended) -> str:
    """Return the session's id that the extension has noted, when those of other pages have ended."""

    async def has_one() -> list[Any]:
        rows: list[Any] = (await browser.stored("session")).get("sessions", [])
        return rows if len(rows) == 1 else []

    ((session, _),) = await eventually(has_one, 20, "one session")
    return str(session)

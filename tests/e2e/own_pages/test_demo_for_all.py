"""The demo page for whoever comes: in two languages, by keyboard and screen reader, dark, and on a phone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from harness.services import ROOT, Services
from tests.e2e.conftest import CALM_FILTERS
from tests.e2e.demo_page import Demo, demo

pytestmark = pytest.mark.asyncio(loop_scope="session")

PHONE_HEIGHT = 740
PHONE = {"viewport": {"width": 360, "height": PHONE_HEIGHT}, "has_touch": True, "is_mobile": True}
LEAST_CONTRAST = 4.5
"""WCAG 2.2, success criterion 1.4.3."""
WIDGETS = {
    *("button", "link", "textbox", "slider", "switch", "combobox", "radio", "checkbox", "spinbutton"),
    *("img", "image", "Canvas", "Video", "ColorWell", "region"),
}
"""Roles that need a name, as Chromium calls them."""

_DICTIONARY = "async (code) => (await import(`/demo/text/${code}.js`)).default"

_TOO_WIDE = """[...document.querySelectorAll("main *, header *")]
    .filter((one) => one.checkVisibility() && one.getBoundingClientRect().right > 361)
    .map((one) => one.outerHTML)"""
_TOO_SMALL = """[...document.querySelectorAll("button, select, .card, [role=slider], a.button")]
    .filter((one) => one.checkVisibility() && !one.closest(".parameter"))
    .map((one) => [one.id, one.getBoundingClientRect()])
    .filter(([, { width, height }]) => width < 44 || height < 44)
    .map(([id]) => id)"""
# Of each text that is seen: its contrast to the nearest opaque colour below (WCAG 2.2, relative luminance).
_CONTRASTS = """() => {
    const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    const rgba = (colour) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        return canvas.getImageData(0, 0, 1, 1).data;
    };
    const light = ([r, g, b]) => [0.2126 * r, 0.7152 * g, 0.0722 * b].reduce((sum, _, at) => {
        const part = [r, g, b][at] / 255;
        const linear = part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
        return sum + linear * [0.2126, 0.7152, 0.0722][at];
    }, 0);
    const below = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const colour = rgba(getComputedStyle(at).backgroundColor);
            if (colour[3] > 190) return colour;
        }
        return rgba("white");
    };
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const text = walker.currentNode.textContent.trim();
        const element = walker.currentNode.parentElement;
        const isUnseen = element.closest(":disabled, .unseen, noscript, script");
        if (!text || isUnseen || !element.checkVisibility()) continue;
        const [one, other] = [light(rgba(getComputedStyle(element).color)), light(below(element))];
        found.push([(Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05), text]);
    }
    return found;
}"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def page(calm: Services, browser: Browser) -> AsyncIterator[Demo]:
    """One page, whose camera goes on running from test to test."""
    async with demo(browser, calm.url) as opened:
        yield opened


async def test_both_dictionaries_have_the_same_keys_and_values(page: Demo, calm: Services) -> None:
    english, japanese = [await page.page.evaluate(_DICTIONARY, code) for code in ("en", "ja")]
    served = await calm.filters()
    assert list(english) == list(japanese)
    for key in english:
        assert set(re.findall(r"\{\w+\}", english[key])) == set(re.findall(r"\{\w+\}", japanese[key])), key
        assert japanese[key].strip(), key
    # What a filter says of itself is English, and a dictionary must not say otherwise.
    for name in CALM_FILTERS:
        own = {"title": served[name]["title"], "description": served[name]["description"]}
        for parameter, schema in served[name]["schema"]["properties"].items():
            own |= {f"{parameter}.{part}": schema[part] for part in ("title", "description")}
        assert {key: english[f"filter.{name}.{key}"] for key in own} == own


async def test_every_key_is_said_somewhere_and_no_other_is_asked_for(page: Demo) -> None:
    static = ROOT / "static"
    said = {*re.findall(r'data-(?:text|label)="([^"]+)"', (static / "index.html").read_text())}
    prefixes: set[str] = set()
    asked_for: set[str] = set()
    for script in [
        static / "demo.js",
        static / "obs.js",
        *static.glob("demo/*.js"),
        *static.glob("shared/*.js"),
    ]:
        text = script.read_text()
        said |= {*re.findall(r'"([\w.-]+)"', text)}
        asked_for |= {*re.findall(r'(?:phrase|ok|fail|note)\(\s*"([\w.-]+)"', text)}
        prefixes |= {*re.findall(r"`([a-z]+[\w.-]*[.])\$\{", text)}
    keys = {*await page.page.evaluate(_DICTIONARY, "en")}
    assert {key for key in keys - said if not key.startswith(tuple(prefixes))} == set()
    assert asked_for - keys == set()


async def test_a_japanese_browser_gets_the_page_in_japanese_and_can_have_it_in_english(
    calm: Services, browser: Browser
) -> None:
    async with demo(browser, calm.url, locale="ja-JP") as page:
        await expect(page.page.locator("html")).to_have_attribute("lang", "ja")
        await expect(page.page.get_by_role("radio", name="インクと絵の具")).to_be_checked()
        english = await page.page.evaluate(_DICTIONARY, "en")
        seen = await page.page.evaluate(
            """[...document.querySelectorAll("[data-said]")].flatMap((one) =>
                [one.textContent, one.getAttribute("aria-label")]).filter(Boolean)"""
        )
        same = {"p2pcamera: {filter}", "DensePose"}
        assert {*seen} & ({*english.values()} - same) == set()
        await page.page.get_by_role("combobox", name="言語").select_option("en")
        await expect(page.page.get_by_role("button", name="Start camera")).to_be_visible()
        await expect(page.page.get_by_role("radio", name="Ink and paint")).to_be_checked()
        await page.page.reload()
        await expect(page.page.locator("html")).to_have_attribute("lang", "en")


async def test_colours_follow_the_system_until_the_switch_says_otherwise(page: Demo) -> None:
    await page.page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    switch = page.page.get_by_role("button", name="Dark colours")
    await expect(switch).to_have_attribute("aria-pressed", "true")
    assert await _lightness(page) < 60
    await switch.click()
    assert await _lightness(page) > 200
    await page.page.reload()
    await expect(switch).to_have_attribute("aria-pressed", "false")
    assert await _lightness(page) > 200
    await page.page.evaluate("localStorage.clear()")
    await page.page.reload()
    assert await _lightness(page) < 60


async def _lightness(page: Demo) -> float:
    colour = await page.page.evaluate("getComputedStyle(document.body).backgroundColor")
    channels = [float(part) for part in re.findall(r"[\d.]+", colour)[:3]]
    return sum(channels) / 3


async def test_every_text_stands_out_from_what_is_below_it(page: Demo) -> None:
    await page.start("ink")
    await page.parameter("strength-exact").fill("9")
    await page.problem("strength")
    await page.doctor()
    for scheme, is_light in (("light", True), ("dark", False)):
        # Without motion, since a colour on its way to another is neither.
        await page.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        await page.so(lambda is_light=is_light: _is_light(page, is_light), f"the page is {scheme}")
        contrasts = await page.page.evaluate(_CONTRASTS)
        assert len(contrasts) > 60
        assert [(round(ratio, 2), text) for ratio, text in contrasts if ratio < LEAST_CONTRAST] == []


async def _is_light(page: Demo, is_light: bool) -> bool:
    return (await _lightness(page) > 128) == is_light


async def test_a_phone_shows_everything_without_scrolling_sideways_and_keeps_the_picture_in_sight(
    calm: Services, browser: Browser
) -> None:
    async with demo(browser, calm.url, **PHONE) as page:
        await page.start("invert")
        await page.page.locator("label.card").last.scroll_into_view_if_needed()
        scrolled, top, bottom = await page.page.evaluate(
            "(({ top, bottom }) => [scrollY, top, bottom])(split.getBoundingClientRect())"
        )
        assert scrolled > 100
        assert top >= 0
        assert 100 < bottom < PHONE_HEIGHT / 2
        # What the page says is out of sight, so what goes wrong is said on the picture.
        on_picture, below = page.page.locator("#message-on-picture"), page.page.locator("#message")
        is_apart = "!document.getElementById('message-on-picture').hidden"
        await page.so(lambda: page.page.evaluate(is_apart), "the message is on the picture")
        assert await on_picture.text_content() == await below.text_content()
        assert await on_picture.get_attribute("data-kind") == await below.get_attribute("data-kind") == "good"
        assert not await on_picture.is_visible()
        await on_picture.evaluate("(message) => { message.dataset.kind = 'bad'; }")
        assert await on_picture.is_visible()
        await page.page.locator("#snapshot").tap()
        await page.so(on_picture.is_hidden, "the message is in sight")
        await page.so(page.page.locator("#takes li").count, "the snapshot is there")
        await page.doctor()
        for language in ("ja", "en"):
            await page.page.locator("#language").select_option(language)
            assert await page.page.evaluate("document.documentElement.scrollWidth") == 360
            assert await page.page.evaluate(_TOO_WIDE) == []
            assert await page.page.evaluate(_TOO_SMALL) == []


async def test_everything_has_a_name_for_screen_readers_and_the_page_has_landmarks(page: Demo) -> None:
    await page.start("ink")
    await page.page.locator("#snapshot").click()
    await page.so(page.page.locator("#takes li").count, "the snapshot is there")
    tree = await (await page.page.context.new_cdp_session(page.page)).send("Accessibility.getFullAXTree")
    nodes = [
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in tree["nodes"]
        if not node["ignored"]
    ]
    roles = Counter(role for role, _ in nodes)
    assert [role for role, name in nodes if role in WIDGETS and not name.strip()] == []
    assert roles["main"] == roles["banner"] == roles["complementary"] == 1
    assert roles["slider"] >= 3
    assert roles["radio"] > len(CALM_FILTERS)
    regions = {name for role, name in nodes if role == "region"}
    assert {"Pictures", "Where the time goes", "Connection doctor"} <= regions
    assert roles["status"] >= 2
    ids = await page.page.evaluate("[...document.querySelectorAll('[id]')].map(({ id }) => id)")
    assert [id_ for id_, count in Counter(ids).items() if count > 1] == []


async def test_the_camera_is_started_and_the_filter_changed_by_keys_alone(
    calm: Services, browser: Browser
) -> None:
    async with demo(browser, calm.url) as page:
        await expect(page.page.locator("#start")).to_be_enabled()
        keyboard = page.page.keyboard
        await keyboard.press("Tab")
        await keyboard.press("Enter")  # The link that skips what comes before.
        assert await page.page.evaluate("location.hash") == "#start"
        await page.page.locator("#start").focus()
        outline = "getComputedStyle(document.activeElement).outlineStyle"
        assert await page.page.evaluate(outline) == "solid"
        await keyboard.press("Enter")
        await page.is_live("ink")
        await page.page.get_by_role("radio", name="Ink and paint").focus()
        while not await page.page.get_by_role("radio", name="Invert").is_checked():
            await keyboard.press("ArrowDown")
        await page.is_live("invert")
        session = await page.page.evaluate("p2pcamera.sessions[0].id")
        await page.page.locator("#start").focus()
        await keyboard.press("Space")

        async def is_over() -> bool:
            return (await calm.http.patch(f"/sessions/{session}", json={})).status_code == 404

        await page.so(is_over, "the server has ended the session")
        await expect(page.page.locator("#message")).to_have_text(re.compile("^Choose a filter"))


async def test_the_camera_that_was_chosen_is_the_one_that_is_opened(
    calm: Services, three_cameras_chromium: Browser
) -> None:
    async with demo(three_cameras_chromium, calm.url) as page:
        await page.start("invert")
        choice = page.page.get_by_role("combobox", name="Camera", exact=True)
        names = [f"fake_device_{index} (filtered)" for index in range(3)]
        await expect(choice.locator("option")).to_have_text(["Chosen by the browser", *names])
        await choice.select_option(label=names[2])
        opened = "p2pcamera.sessions[0]?.camera.label"
        await page.so(lambda: page.page.evaluate(f"{opened} === 'fake_device_2'"), "it is opened")
        await page.is_live("invert")
        await page.choose("")  # No server, and the device itself.
        shown = "document.getElementById('filtered').srcObject?.getVideoTracks()[0].label"
        await page.so(lambda: page.page.evaluate(f"{shown} === 'fake_device_2'"), "it is shown as it is")


async def test_no_script_and_no_style_is_in_the_page_itself() -> None:
    text = (ROOT / "static" / "index.html").read_text()
    assert re.findall(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", text) == []

"""The demo page with both services behind it: what can be chosen, set, seen and taken along on it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import av
import numpy as np
import pytest
import pytest_asyncio
from PIL import Image
from playwright.async_api import Browser, expect

from harness.picture import PATCH_RGB
from harness.services import Services
from tests.e2e.conftest import CAMERA_SIZE
from tests.e2e.demo_page import Demo, demo

pytestmark = pytest.mark.asyncio(loop_scope="session")

FILTERS = ("invert", "palette", "ink")
INVERTED = (255 - PATCH_RGB[0], 255 - PATCH_RGB[1], 255 - PATCH_RGB[2])
STAGES = ["camera", "network-up", "decode", "wait", "filter", "encode", "network-down", "display"]
LEAST_PAUSE_MS = 95
"""The page waits 100 ms; a timer's clock and a message's differ a little."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def page(calm: Services, browser: Browser) -> AsyncIterator[Demo]:
    """One page, whose camera goes on running from test to test."""
    async with demo(browser, calm.url, viewport={"width": 1280, "height": 900}) as opened:
        yield opened


async def test_each_filter_is_a_card_with_its_title_its_picture_and_its_state(
    page: Demo, calm: Services
) -> None:
    offered = await calm.filters()
    for name in FILTERS:
        card = page.page.locator(f"#filters label:has(input[value='{name}'])")
        await expect(card.locator("b")).to_have_text(offered[name]["title"])
        await expect(card.locator("em")).to_have_text("Ready")
        colours = await card.locator("canvas").evaluate(
            """canvas => new Set(new Uint32Array(
                canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size"""
        )
        assert colours > 10


async def test_every_kind_of_parameter_has_its_own_control(page: Demo) -> None:
    await page.start("palette")
    form = page.page.locator("#parameters")
    await expect(form.get_by_role("slider", name="Amount")).to_have_value("1")
    await expect(form.get_by_role("spinbutton", name="Amount, exact value")).to_have_value("1")
    await expect(form.get_by_role("slider", name="Levels")).to_have_attribute("step", "1")
    await expect(form.get_by_role("switch", name="Bright")).to_be_checked()
    await expect(form.get_by_role("combobox", name="Shape").locator("option")).to_have_text(
        ["plain", "round"]
    )
    await expect(page.parameter("tint")).to_have_attribute("type", "color")
    await expect(form.get_by_role("textbox", name="Note")).to_have_value("hello")
    await expect(form.get_by_role("spinbutton", name="Seed")).to_have_value("")
    await expect(form.get_by_role("group", name="Parts").get_by_role("checkbox")).to_have_count(2)
    await expect(page.page.locator("#parameter-amount-hint")).to_have_text(
        "How much of the colour. Default: 1"
    )


async def test_a_change_of_a_control_shows_in_the_picture_and_reset_takes_it_back(page: Demo) -> None:
    await page.start("palette")
    await page.shows((0, 0, 255))
    await page.parameter("tint").fill("#00c000")
    await page.shows((0, 192, 0))
    await page.parameter("amount-exact").fill("0")
    await page.shows(PATCH_RGB)
    await page.page.get_by_role("button", name="Reset Amount", exact=True).click()
    await page.shows((0, 192, 0))
    await page.parameter("shape").select_option("round")
    await page.page.get_by_label("hands").check()
    await page.so(lambda: _last_params(page, shape="round", parts=["hands"]), "the choices are sent")
    await page.page.get_by_role("button", name="Reset all").click()
    await page.shows((0, 0, 255))


async def _last_params(page: Demo, **values: object) -> bool:
    _, message = (await page.changes())[-1]
    return values.items() <= {**message["params"]}.items()


async def test_a_value_that_the_schema_forbids_goes_nowhere_and_the_field_says_why(page: Demo) -> None:
    await page.start("palette")
    before = len(await page.changes())
    field = page.parameter("amount-exact")
    await field.fill("3")
    assert await page.problem("amount") == "Amount has to be at most 1. It stays 1."
    await expect(field).to_have_attribute("aria-invalid", "true")
    await field.blur()
    await expect(field).to_have_value("1")
    await expect(field).not_to_have_attribute("aria-invalid", "true")
    seed = page.parameter("seed")
    await seed.fill("1.5")
    assert await page.problem("seed") == "Seed has to be a whole number. It stays not set."
    await page.parameter("tint").fill("#0000fe")
    await page.so(lambda: _last_params(page, tint="#0000fe"), "a change of another field is sent")
    for _, message in (await page.changes())[before:]:
        assert message["params"]["amount"] == 1
        assert "seed" not in message["params"]


async def test_a_value_that_the_server_refuses_is_taken_back_and_the_field_says_why(page: Demo) -> None:
    await page.start("palette")
    note = page.parameter("note")
    await note.fill("rude")
    assert (await page.problem("note")).startswith("The server refused Note (params.note: ")
    await expect(note).to_have_value("hello")
    await expect(page.page.locator("#message")).to_have_text("Live: Palette.")
    await note.fill("kind")
    await page.so(lambda: _last_params(page, note="kind"), "a better one is sent")
    # The service goes back to what a worker has served last, so that has to be seen.
    await page.parameter("tint").fill("#ff0000")
    await page.shows((255, 0, 0))
    await expect(page.page.locator("#parameter-note-problem")).to_be_hidden()

    # By the worker, after the server has taken it.
    await note.fill("coarse")
    assert "expected a fine word" in await page.problem("note")
    await expect(note).to_have_value("kind")
    await page.page.get_by_role("button", name="Reset all").click()
    await page.shows((0, 0, 255))


async def test_a_picture_of_the_users_own_is_made_small_and_sent_by_http(page: Demo, tmp_path: Path) -> None:
    await page.start("palette")
    await page.shows((0, 0, 255))
    before = len(await page.changes())
    # So much noise that its JPEG is too long for a message, and so large that it has to be made smaller.
    noise = np.random.default_rng(0).normal((40, 170, 90), 40, (900, 1700, 3)).clip(0, 255)
    Image.fromarray(noise.astype(np.uint8)).save(tmp_path / "paper.png")
    await page.parameter("paper").set_input_files(tmp_path / "paper.png")
    await page.shows((40, 170, 90))
    assert await page.page.evaluate("p2pcamera.params.paper.length") > 64 * 1024
    # What follows does not take it away, and nobody puts it into an address.
    await page.parameter("shape").select_option("round")
    await page.so(lambda: page.page.evaluate("p2pcamera.params.shape === 'round'"), "the next change is made")
    await page.shows((40, 170, 90))
    assert len(await page.changes()) == before
    assert len(await page.page.evaluate("location.hash")) < 4_000

    (tmp_path / "words.png").write_text("no picture")
    await page.parameter("paper").set_input_files(tmp_path / "words.png")
    assert "cannot read that picture" in await page.problem("paper")
    assert (await page.problem("paper")).endswith("It stays a picture.")
    await page.shows((40, 170, 90))

    await page.page.get_by_role("button", name="Remove the picture").click()
    await page.shows((0, 0, 255))
    await page.page.get_by_role("button", name="Reset all").click()


async def test_a_slider_that_moves_sends_at_most_ten_changes_a_second_and_its_last_value(page: Demo) -> None:
    await page.start("palette")
    before = len(await page.changes())
    await page.page.evaluate(
        """async () => {
            const slider = document.getElementById("parameter-amount");
            for (let step = 100; step >= 40; step--) {
                slider.value = String(step / 100);
                slider.dispatchEvent(new Event("input", { bubbles: true }));
                await new Promise(requestAnimationFrame);
            }
        }"""
    )
    await page.so(lambda: _last_params(page, amount=0.4), "the last value is sent")
    sent = (await page.changes())[before:]
    assert len(sent) > 2
    assert all(later - earlier >= LEAST_PAUSE_MS for (earlier, _), (later, _) in pairwise(sent))


async def test_changes_that_are_answered_at_once_are_a_tenth_of_a_second_apart(page: Demo) -> None:
    sent: list[tuple[float, int]] = await page.page.evaluate(
        """async () => {
            const { LiveChange } = await import("/demo/live_change.js");
            const sent = [];
            const change = new LiveChange(async (value) => sent.push([performance.now(), value]));
            for (let value = 0; value < 60 || sent.at(-1)[1] < 59; value++) {
                if (value < 60) change.want(value);
                await new Promise((resolve) => setTimeout(resolve, 5));
            }
            return sent;
        }"""
    )
    assert sent[-1][1] == 59
    assert len(sent) > 2
    assert all(later - earlier >= LEAST_PAUSE_MS for (earlier, _), (later, _) in pairwise(sent))


async def test_another_card_changes_the_filter_of_the_running_camera(page: Demo) -> None:
    await page.start("palette")
    session = await page.page.evaluate("p2pcamera.sessions[0].id")
    await page.start("invert")
    await page.shows(INVERTED)
    await page.shows(PATCH_RGB, video="original")
    await expect(page.page.locator("#message")).to_have_text("Live: Invert.")
    assert await page.page.evaluate("p2pcamera.sessions[0].id") == session
    seen = page.page.locator("#filters label:has(input[value='invert']) canvas[data-live]")
    await page.so(seen.count, "the card shows the live picture")


async def test_the_border_between_the_pictures_moves_by_keys_and_by_pointer(page: Demo) -> None:
    await page.start("invert")
    divider = page.page.get_by_role("slider", name="Border between the original and the filtered picture")
    await divider.focus()
    for key, now, clip in (
        ("Home", 0, "0%"),
        ("ArrowRight", 2, "2%"),
        ("PageUp", 12, "12%"),
        ("End", 100, "100%"),
    ):
        await page.page.keyboard.press(key)
        await expect(divider).to_have_attribute("aria-valuenow", str(now))
        await expect(divider).to_have_attribute("aria-valuetext", f"{now} % original")
        await expect(page.page.locator(".layer.front")).to_have_css("clip-path", f"inset(0px 0px 0px {clip})")
    box = await page.page.locator("#split").bounding_box()
    assert box is not None
    await page.page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + 50)
    await page.page.mouse.down()
    await page.page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 60)
    await page.page.mouse.up()
    await expect(divider).to_have_attribute("aria-valuenow", "25")
    await expect(divider).to_be_focused()


async def test_each_stage_of_the_way_has_its_time_and_the_plot_shows_them(page: Demo) -> None:
    await page.start("invert")
    total = page.page.locator("#latency")
    await expect(total).to_contain_text(" ms", timeout=20_000)
    rows = await page.page.evaluate(
        """[...document.querySelectorAll("#stages li")].map(({dataset, children}) =>
            [dataset.stage, children[1].textContent])"""
    )
    assert [stage for stage, _ in rows] == STAGES
    times_ms = {stage: float(text.removeprefix("≈ ").removesuffix(" ms")) for stage, text in rows}
    assert all(value >= 0 for value in times_ms.values())
    assert all(times_ms[stage] > 0 for stage in ("camera", "decode", "filter", "encode", "display"))
    estimates = [stage for stage, text in rows if text.startswith("≈")]
    assert estimates == ["network-up", "network-down", "display"]
    worker = await page.page.evaluate("p2pcamera.sessions[0].stats.worker")
    await expect(page.page.locator("#figure-worker")).to_have_text(worker)
    await expect(page.page.locator("#figure-size")).to_have_text("{} × {}".format(*CAMERA_SIZE))
    for figure in ("fps", "freezes"):
        float(await page.page.locator(f"#figure-{figure}").inner_text())
    await expect(page.page.locator("#latency-plot")).to_have_attribute(
        "aria-label", re.compile(r"Now \d+ ms; most of it: \w+, \d+ ms\.$")
    )
    drawn = await page.page.evaluate(
        """(() => {
            const plot = document.getElementById("latency-plot");
            const { width, height } = plot;
            const data = plot.getContext("2d").getImageData(width - 3, 0, 1, height).data;
            return new Set(new Uint32Array(data.buffer)).size;
        })()"""
    )
    assert drawn > 4


async def test_a_snapshot_is_a_png_of_the_filtered_picture(page: Demo, tmp_path: Path) -> None:
    await page.start("invert")
    await page.shows(INVERTED)
    await page.page.get_by_role("button", name="Take a snapshot").click()
    path = await _saved(page, ".png", tmp_path)
    with av.open(str(path)) as container:
        assert container.format.name == "png_pipe"
        _assert_inverted(next(container.decode(video=0)))
    await page.page.get_by_role("button", name="Remove p2pcamera-invert").click()
    await expect(page.page.locator("#takes")).to_be_hidden()


async def test_a_recording_is_a_file_of_the_filtered_picture_with_sound_and_its_time_shown(
    page: Demo, tmp_path: Path
) -> None:
    await page.start("invert")
    await page.shows(INVERTED)
    record = page.page.get_by_role("button", name="Record")
    await record.click()
    await expect(record).to_have_attribute("aria-pressed", "true")
    await expect(page.page.locator("#recording-time")).to_have_text("0:02", timeout=20_000)
    # The sound is as late as the picture.
    assert await page.page.evaluate("p2pcamera.sessions[0].audioDelay_ms") > 0
    assert await page.page.evaluate("p2pcamera.sessions[0].latency_ms") > 0
    await record.click()
    path = await _saved(page, (".mp4", ".webm"), tmp_path)
    await expect(page.page.locator("#takes-list p").first).to_contain_text("Recording with sound, ")
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    with av.open(str(path)) as container:
        sound = list(container.decode(audio=0))
    assert sum(one.samples / one.sample_rate for one in sound) > 1
    assert len(frames) > 5
    assert frames[-1].time - frames[0].time > 1
    _assert_inverted(frames[-1])


async def test_a_recording_without_a_microphone_says_that_it_has_no_sound(page: Demo, tmp_path: Path) -> None:
    await page.start("invert")
    # As where the user refuses, which this browser's made-up user does not.
    await page.page.evaluate(
        """() => {
            const { getUserMedia } = navigator.mediaDevices;
            navigator.mediaDevices.getUserMedia = function (asked) {
                if (!asked.video) return Promise.reject(new DOMException("no", "NotAllowedError"));
                return getUserMedia.call(this, asked);
            };
        }"""
    )
    record = page.page.get_by_role("button", name="Record")
    await record.click()
    await expect(page.page.locator("#whispered")).to_contain_text("Recording without sound")
    await expect(page.page.locator("#recording-time")).to_have_text("0:01", timeout=20_000)
    await record.click()
    await expect(page.page.locator("#takes-list p").first).to_contain_text("Recording without sound, ")
    await page.page.get_by_role("button", name="Remove p2pcamera-invert").first.click()


async def _saved(page: Demo, ending: str | tuple[str, ...], folder: Path) -> Path:
    link = page.page.get_by_role("link", name="Save p2pcamera-invert")
    async with page.page.expect_download() as coming:
        await link.click()
    download = await coming.value
    assert download.suggested_filename.endswith(ending)
    path = folder / download.suggested_filename
    await download.save_as(path)
    return path


def _assert_inverted(frame: av.VideoFrame) -> None:
    assert (frame.width, frame.height) == CAMERA_SIZE
    patch = frame.to_ndarray(format="rgb24")[15:25, 15:25].reshape(-1, 3).mean(axis=0)
    assert all(abs(value - wanted) < 24 for value, wanted in zip(patch, INVERTED, strict=True))


async def test_a_link_opens_the_page_with_its_filter_and_its_settings_or_says_what_is_not_there(
    calm: Services, browser: Browser
) -> None:
    params = quote('{"tint": "#00c000", "amount": 7, "nonsense": 1}')
    async with demo(browser, f"{calm.url}/#filter=nope&params=[") as page:
        await expect(page.page.locator("#message")).to_contain_text("“nope”")
        await expect(page.page.locator("#filters input[value='ink']")).to_be_checked()
        await page.page.evaluate("hash => { location.hash = hash; }", f"filter=palette&params={params}")
        await page.page.reload()
        await expect(page.parameter("tint")).to_have_value("#00c000")
        await expect(page.parameter("amount")).to_have_value("1")  # A wrong value is as none.
        await page.page.get_by_role("button", name="Start camera").click()
        await page.shows((0, 192, 0))
        await page.parameter("levels-exact").fill("9")
        await page.page.get_by_role("button", name="Copy link").click()
        await expect(page.page.locator("#whispered")).to_contain_text("The link is copied.")
        link = await page.page.evaluate("navigator.clipboard.readText()")
        asked = parse_qs(urlsplit(link).fragment)
        assert asked["filter"] == ["palette"]
        assert '"levels":9' in asked["params"][0]
        assert '"tint":"#00c000"' in asked["params"][0]

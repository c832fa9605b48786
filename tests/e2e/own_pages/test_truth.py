"""What pages say of filters that cannot run: before any click, and when one fails in a call."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from harness.browser import opened
from harness.deadline import eventually
from harness.services import Services
from tests.e2e import troubled_filters
from tests.e2e.demo_page import Demo, demo

pytestmark = pytest.mark.asyncio(loop_scope="session")

NEEDS = "Needs the package no_such_package_here. On the server, run “pip install nowhere”"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def troubled(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Services]:
    folder = tmp_path_factory.mktemp("troubled")
    package = troubled_filters.install(folder / "package")
    async with Services(folder) as services:
        services.start_signaling("--default-filter", "invert")
        env = {"PYTHONPATH": package, "XDG_CACHE_HOME": str(folder / "cache")}
        services.start_worker("invert,passthrough,makeup", env=env)
        await services.ready({"invert": 1, "passthrough": 1})
        yield services
    print(services.output())


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared(troubled: Services, browser: Browser) -> AsyncIterator[Demo]:
    """One page, whose camera goes on running from test to test."""
    async with demo(browser, troubled.url) as opened:
        await expect(opened.page.locator("#start")).to_be_enabled()
        yield opened


@pytest.fixture
def page(shared: Demo) -> Iterator[Demo]:
    yield shared
    assert shared.complaints == []


async def test_cards_say_before_any_click_what_cannot_run_and_what_to_do(page: Demo) -> None:
    card = page.page.locator("#filters-ill label:has(input[value=lacking])")
    await expect(card).to_contain_text(f"Cannot run here{NEEDS}")
    await expect(card.locator("input")).to_be_disabled()
    await expect(page.page.locator("#filters input[value=lacking]")).to_have_count(0)
    fetching = page.page.locator("#filters label:has(input[value=fetching])")
    await expect(fetching).to_contain_text("Downloads 78 MB at first use")
    # By force, since the test's driver clicks on no card that cannot be chosen.
    await card.click(force=True)
    await expect(page.page.locator("#message")).to_contain_text(f"Lacking cannot run. {NEEDS}")
    await expect(page.page.locator("#filters input[value=invert]")).to_be_checked()
    await page.page.locator("#language").select_option("ja")
    await expect(card).to_contain_text("パッケージ no_such_package_here が必要です。")
    await page.page.locator("#language").select_option("en")


async def test_the_doctor_says_what_is_in_the_filter_s_way(page: Demo) -> None:
    # It waits for a picture that never comes: a fifth of its own limit of time will do.
    await page.page.evaluate(
        """() => {
            window.nativeTimeout = window.setTimeout;
            window.setTimeout = (act, ms, ...rest) => {
                const isDoctors = new Error().stack.includes("#picture");
                return nativeTimeout(act, isDoctors ? ms / 5 : ms, ...rest);
            };
        }"""
    )
    await page.choose("fetching2")
    outcome, words = (await page.doctor())["filter"]
    await page.page.evaluate("window.setTimeout = nativeTimeout; 0")
    assert outcome == "note"  # The download has not been tried before.
    assert "python -m inference_service download fetching2" in words


async def test_a_link_to_a_filter_that_cannot_run_says_why_and_opens_another(
    troubled: Services, browser: Browser
) -> None:
    async with demo(browser, f"{troubled.url}/#filter=lacking") as page:
        await expect(page.page.locator("#message")).to_contain_text(NEEDS)
        await expect(page.page.locator("#filters input[value=invert]")).to_be_checked()


async def test_a_failed_download_is_told_with_its_reason_and_never_called_live(page: Demo) -> None:
    await page.page.evaluate(
        """() => {
            window.heard = [];
            new MutationObserver(() => heard.push(message.textContent)).observe(message, { childList: true });
        }"""
    )
    await page.start("invert")
    await page.choose("fetching")
    message = page.page.locator("#message")
    await expect(message).to_contain_text("127.0.0.1, model.pth: the connection failed", timeout=20_000)
    await expect(message).to_contain_text("Nothing unfiltered is shown.", timeout=20_000)
    heard = await page.page.evaluate("heard")
    assert [said for said in heard if said.startswith("Live: ") and "Invert" not in said] == []
    assert [said for said in heard if "by itself" in said] == []
    card = page.page.locator("label:has(input[value=fetching])")
    await expect(card).to_contain_text("could not be downloaded")
    await page.page.locator("#language").select_option("ja")
    for place in (card, message):
        await expect(place).to_contain_text("127.0.0.1, model.pth: 接続に失敗しました")
        await expect(place).not_to_contain_text(re.compile("connection|server", re.IGNORECASE))
    await page.page.locator("#language").select_option("en")


async def test_a_private_choice_that_cannot_be_kept_is_refused_and_the_old_one_stays(page: Demo) -> None:
    await page.start("invert")
    said = await page.page.evaluate(
        """() => p2pcamera.setFilter("hidden").then(() => null,
            ({ code, trouble }) => [code, trouble.filter, trouble.code, trouble.remedy])"""
    )
    assert said == ["cannot_run", "hidden", "needs_package", "pip install nowhere"]
    assert await page.page.evaluate("[p2pcamera.filter, p2pcamera.sessions[0].filters]") == [
        "invert",
        ["invert"],
    ]
    await page.is_live("invert")


async def test_a_picture_without_a_face_is_told_beside_live(page: Demo) -> None:
    message = page.page.locator("#message")
    await page.start("makeup")
    await expect(message).to_have_text(
        "Live: Make-up. No face is found, so nothing is changed.", timeout=20_000
    )
    await page.page.locator("#language").select_option("ja")
    await expect(message).to_contain_text("。顔が見つからないため、何も変えていません。")
    await page.page.locator("#language").select_option("en")
    await page.start("invert")
    await expect(message).to_have_text("Live: Invert.", timeout=20_000)


async def test_live_is_said_when_a_frame_of_the_filter_has_come_and_not_before(page: Demo) -> None:
    message = page.page.locator("#message")
    await page.start("invert")
    await expect(message).to_have_text("Live: Invert.")
    # Batches of this choice last: the old picture stays on the screen meanwhile.
    await page.page.evaluate("""() => {
        history.replaceState(null, "", `#filter=passthrough&params=${JSON.stringify({ busy_ms: 900 })}`);
        dispatchEvent(new HashChangeEvent("hashchange"));
    }""")
    await expect(message).to_have_text("Connected. Waiting for the first filtered picture…")
    await expect(message).to_have_text("Live: Passthrough.", timeout=20_000)


async def test_obs_tells_in_the_picture_what_is_wrong(troubled: Services, browser: Browser) -> None:
    async with opened(browser, "about:blank") as page:

        async def shows(wanted: str) -> None:
            await page.goto(f"{troubled.url}/obs.html?{wanted}")

        for wanted, says in (
            ("filter=lacking", "lacking cannot run. Needs the package"),
            ("filter=lacking&lang=ja", "lacking は動きません。"),
            ("params=[]&lang=ja", "アドレスに誤りがあります。「params」"),
            ("device=nobody&lang=ja", "「nobody」という名前のカメラがありません。"),
        ):
            await shows(f"{wanted}&status=show")
            await expect(page.locator("#status")).to_contain_text(says, timeout=20_000)
            await expect(page.locator("#status")).to_be_visible()
        await shows("filter=lacking")
        await eventually(
            lambda: page.evaluate("document.body.dataset.state === 'waiting'"), 20, "the page waits"
        )
        await expect(page.locator("#status")).to_be_hidden()
        await shows("filter=invert&status=show")
        await eventually(lambda: page.evaluate("document.body.dataset.state === 'live'"), 20, "it is live")
        await expect(page.locator("#status")).to_be_hidden(timeout=20_000)


async def test_filters_are_put_together_in_an_order_and_taken_apart_again(page: Demo) -> None:
    await page.start("invert")
    await page.page.locator("#add-filter").select_option("passthrough")
    await page.so(lambda: _applies(page, ["invert", "passthrough"]), "both apply")
    await expect(page.page.locator("#message")).to_have_text("Live: Invert → Passthrough.")
    assert "filter=invert%2Cpassthrough" in await page.page.evaluate("location.hash")
    await page.page.locator("#parameter-passthrough-busy_ms-exact").fill("1")
    await page.so(
        lambda: page.page.evaluate("p2pcamera.params.passthrough.busy_ms === 1"), "its own setting applies"
    )
    await page.page.get_by_role("button", name="Apply Passthrough earlier").click()
    await page.so(lambda: _applies(page, ["passthrough", "invert"]), "the order is the other one")
    assert await page.page.evaluate("p2pcamera.params.passthrough.busy_ms") == 1
    await page.page.reload()
    await expect(page.page.locator("#parameters section")).to_have_count(2)
    await page.page.get_by_role("button", name="Leave Passthrough out").click()
    await expect(page.page.locator("#parameters section")).to_have_count(1)
    await expect(page.page.locator("#filters input[value=invert]")).to_be_checked()


async def _applies(page: Demo, filters: list[str]) -> bool:
    return bool(await page.page.evaluate("p2pcamera.sessions[0]?.filters") == filters)


async def test_the_card_of_an_outage_is_not_mirrored(page: Demo) -> None:
    await page.start("invert")
    mirrored = "getComputedStyle(filtered).transform"
    assert await page.page.evaluate(mirrored) == "matrix(-1, 0, 0, 1, 0, 0)"
    await page.choose("fetching3")
    await page.so(lambda: page.page.evaluate(f"{mirrored} === 'none'"), "the card can be read")
    await page.choose("invert")
    await page.so(lambda: page.page.evaluate(f"{mirrored} !== 'none'"), "the picture is mirrored again")

"""The filtered camera among a page's devices: how it is chosen, shared, sent, unplugged and put away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from harness.deadline import eventually
from signaling_service.media.bitrate import default_bitrate
from tests.e2e.cases import slow
from tests.e2e.stage import COUNT_CONNECTIONS, SERVER, SESSION, Stage, staged

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

LABELS = """navigator.mediaDevices.enumerateDevices().then((devices) =>
  devices.filter(({ kind }) => kind === "videoinput").map(({ label }) => label))"""
FILTERED = [
    label for index in range(3) for label in (f"fake_device_{index} (filtered)", f"fake_device_{index}")
]

# Runs in the page: the ids of its cameras by their labels, and one track for each of several calls.
HELPERS = """async () => {
  const devices = await navigator.mediaDevices.enumerateDevices();
  window.ids = Object.fromEntries(devices.map(({ label, deviceId }) => [label, deviceId]));
  window.ask = async (...asked) => {
    const calls = asked.map((video) => navigator.mediaDevices.getUserMedia({ video }));
    return (await Promise.all(calls)).map((stream) => stream.getVideoTracks()[0]);
  };
}"""


@pytest.fixture(scope="module")
def browser(three_cameras_chromium: Browser) -> Browser:
    return three_cameras_chromium


@dataclass(frozen=True, slots=True)
class Chooser:
    """A page that opens many cameras, one after another."""

    stage: Stage
    page: Page

    async def choose(self, video: str, questions: str) -> tuple[Any, int]:
        """Ask for a camera, and `questions` of it; returns what was told, and how many offers were made."""
        offers = len(self.stage.sent("POST", "/offer"))
        told = await self.page.evaluate(
            f"""async () => {{
              const stream = await navigator.mediaDevices.getUserMedia({{ video: {video} }});
              const [track] = stream.getVideoTracks();
              const told = {questions};
              track.stop();
              return told;
            }}"""
        )
        return told, len(self.stage.sent("POST", "/offer")) - offers


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def chooser(browser: Browser) -> AsyncIterator[Chooser]:
    async with staged(browser) as stage:
        yield Chooser(stage, await _opened(stage))


async def _opened(stage: Stage, first: str = "") -> Page:
    page = await stage.open(first=first)
    await page.evaluate(HELPERS)
    return page


REAL = 'ids["fake_device_2"]'
OURS = 'ids["fake_device_2 (filtered)"]'


@pytest.mark.parametrize(
    "wanted",
    [
        "true",
        REAL.join(("{ deviceId: ", " }")),
        f"{{ deviceId: {{ exact: [{REAL}, {OURS}] }} }}",
        # tests/shim/camera/device_ids.test.mjs asks the same without a browser.
        *slow(
            "{}",
            REAL.join(("{ deviceId: { ideal: ", " } }")),
            REAL.join(('{ deviceId: ["none", ', "] }")),
            REAL.join(("{ advanced: [{ deviceId: ", " }] }")),
            f"{{ deviceId: {OURS} }}",
            f"{{ deviceId: {{ exact: {OURS} }} }}",
            f"{{ deviceId: {{ exact: ['none', {OURS}] }} }}",
            f"{{ deviceId: {{ exact: {OURS}, ideal: {REAL} }} }}",
        ),
    ],
)
async def test_who_demands_no_real_camera_gets_a_filtered_one(chooser: Chooser, wanted: str) -> None:
    demands = await chooser.page.evaluate(f"({wanted}).deviceId?.exact !== undefined")
    (label, device, ids), offers = await chooser.choose(
        wanted, "[track.label, track.getSettings().deviceId, ids]"
    )
    # Which camera a wish leads to is the browser's to say: this one takes the first.
    assert label == f"fake_device_{2 if demands else 0} (filtered)"
    assert device == ids[label]
    assert offers == 1


@pytest.mark.parametrize(
    "wanted",
    [
        f"{{ exact: {REAL} }}",
        *slow(f"{{ exact: ['none', {REAL}] }}", f"{{ exact: {REAL}, ideal: {OURS} }}"),
    ],
)
async def test_who_demands_a_real_camera_gets_it_as_it_is(chooser: Chooser, wanted: str) -> None:
    questions = f"[stream === native.streams.at(-1), track.label, track.getSettings().deviceId === {REAL}]"
    told, offers = await chooser.choose(f"{{ deviceId: {wanted} }}", questions)
    assert told == [True, "fake_device_2", True]
    assert offers == 0


async def test_screen_sharing_passes_untouched(stage: Stage) -> None:
    page = await stage.open()
    constraints = "{ video: { mandatory: { chromeMediaSource: 'desktop', chromeMediaSourceId: 'none' } } }"
    same = await page.evaluate(
        f"""async () => {{
          const asked = {constraints};
          const {{ mediaDevices }} = navigator;
          const own = native.getUserMedia.call(mediaDevices, asked).catch(String);
          const ours = mediaDevices.getUserMedia(asked).catch(String);
          return [(await own) === (await ours), native.calls[0][0] === asked];
        }}"""
    )
    assert same == [True, True]
    assert stage.sent("POST", "/offer") == []


async def test_several_calls_at_once_share_one_session_until_their_last_track_stops(stage: Stage) -> None:
    page = await _opened(stage)
    await page.evaluate(
        """async () => {
          const calls = [true, { width: 320 }, { deviceId: { exact: ids["fake_device_0 (filtered)"] } }, {}];
          window.tracks = await ask(...calls);
          tracks.push((await ask(true))[0], tracks[1].clone());
          window.session = p2pcamera.sessions[0];
        }"""
    )
    assert await page.evaluate("[p2pcamera.sessions.length, new Set(tracks).size]") == [1, 6]
    assert len(stage.sent("POST", "/offer")) == 1
    for index in (0, 3, 1, 5, 4):
        await page.evaluate(f"tracks[{index}].stop()")
        assert await page.evaluate("[session.state, native.isOn()]") == ["live", True]
    assert await page.evaluate("colour(new MediaStream([tracks[2]]))") == "red"
    await page.evaluate("tracks[2].stop()")
    assert await page.evaluate("[session.state, native.isOn()]") == ["ended", False]
    await stage.first("DELETE", f"/sessions/{SESSION}")


async def test_each_camera_and_each_choice_of_filter_has_a_session_of_its_own(stage: Stage) -> None:
    page = await _opened(stage)
    await page.evaluate("ask(true, { deviceId: { exact: ids['fake_device_2 (filtered)'] } })")
    assert await page.evaluate("p2pcamera.sessions.map(({ camera }) => camera.label).toSorted()") == [
        "fake_device_0",
        "fake_device_2",
    ]
    await page.evaluate("p2pcamera.filter = 'invert'; ask(true)")
    await page.evaluate("ask(true)")
    assert [offer.body.get("filter") for offer in stage.sent("POST", "/offer")] == [None, None, "invert"]


async def test_calls_that_wait_for_one_session_all_hear_that_it_failed(stage: Stage) -> None:
    stage.refusal = (503, "no_worker", "No live worker serves ink.")
    page = await _opened(stage)
    outcomes = await page.evaluate(
        "Promise.allSettled([ask(true), ask(true)]).then((all) => all.map(({ reason }) => reason.name))"
    )
    assert outcomes == ["NotReadableError", "NotReadableError"]
    assert len(stage.sent("POST", "/offer")) == 1
    assert not await page.evaluate("native.isOn()")


async def test_who_joins_in_an_outage_under_closed_sees_the_last_filtered_frame_and_none_that_is_raw(
    stage: Stage,
) -> None:
    page = await _opened(stage)
    await page.evaluate("ask(true).then((tracks) => (window.tracks = tracks))")
    assert await page.evaluate("colour(new MediaStream([tracks[0]]))") == "red"
    stage.refusal = (503, "no_worker", "No live worker.")
    await stage.far_end.evaluate("peer.close()")
    await page.wait_for_function("p2pcamera.sessions[0].state === 'reconnecting'", timeout=5_000)
    await page.evaluate("ask({ width: 320, height: 180 }).then((tracks) => (window.joined = tracks))")
    assert set(await page.evaluate("colours(new MediaStream(joined), 800)")) == {"red"}
    stage.refusal = None
    await page.wait_for_function("p2pcamera.sessions[0].state === 'live'", timeout=10_000)
    assert await page.evaluate("colour(new MediaStream(joined))") == "red"


async def test_raw_camera_that_stands_in_under_open_keeps_the_name_of_the_filtered_one(stage: Stage) -> None:
    stage.refusal = (503, "no_worker", "No live worker serves ink.")
    page = await stage.open({"outage": "open"})
    await page.evaluate(HELPERS)
    found = await page.evaluate(
        """async () => {
          const label = "fake_device_2 (filtered)";
          const [track] = await ask({ deviceId: { exact: ids[label] } });
          const tracks = [track, track.clone()];
          const told = tracks.map((one) => [one.label, one.getSettings().deviceId === ids[label]]);
          return [told, await colour(new MediaStream([track]))];
        }"""
    )
    assert found[0] == [["fake_device_2 (filtered)", True]] * 2
    assert found[1] != "red"


async def test_canvas_gives_each_track_its_size_and_stops_with_the_last(stage: Stage) -> None:
    page = await _opened(stage, "delete window.MediaStreamTrackProcessor;")
    await page.evaluate(
        """async () => {
          const [first] = await ask({ width: 640, height: 480 });
          window.tracks = [first, first.clone()];
          await tracks[1].applyConstraints({ width: 320, height: 240 });
          window.videos = tracks.map((track) => document.createElement("video"));
          videos.forEach((video, index) => {
            Object.assign(video, { muted: true, srcObject: new MediaStream([tracks[index]]) }).play();
          });
        }"""
    )
    await page.wait_for_function(
        "videos[0].videoWidth === 640 && videos[1].videoWidth === 320", timeout=15_000
    )
    assert await page.evaluate("tracks.map((one) => one.getSettings().width)") == [640, 320]
    assert await page.evaluate("colour(new MediaStream([tracks[1]]))") == "red"
    await page.evaluate("tracks[0].applyConstraints({ width: 320, height: 240 })")
    await page.wait_for_function("videos[0].videoWidth === 320", timeout=15_000)
    await page.evaluate("for (const track of tracks) track.stop()")
    assert not await page.evaluate("native.isOn()")


async def test_muted_follows_the_camera(stage: Stage) -> None:
    # No made-up camera can be covered: the browser's own getter and event are played.
    page = await _opened(
        stage,
        """window.covered = new Set();
        const { get } = Object.getOwnPropertyDescriptor(MediaStreamTrack.prototype, "muted");
        Object.defineProperty(MediaStreamTrack.prototype, "muted", {
          get() { return covered.has(this) || get.call(this); },
          configurable: true,
        });""",
    )
    await page.evaluate(
        """async () => {
          [window.track] = await ask(true);
          window.told = [];
          track.onmute = () => told.push(["mute", track.muted]);
          track.addEventListener("unmute", () => told.push(["unmute", track.muted]));
          const [camera] = native.streams[0].getVideoTracks();
          covered.add(camera);
          camera.dispatchEvent(new Event("mute"));
          covered.delete(camera);
          camera.dispatchEvent(new Event("unmute"));
        }"""
    )
    assert await page.evaluate("told") == [["mute", True], ["unmute", False]]


async def test_unplugged_camera_ends_each_track_once_and_the_session(stage: Stage) -> None:
    page = await _opened(stage)
    await page.evaluate(
        """async () => {
          const [first] = await ask(true);
          window.told = [];
          window.tracks = [first, first.clone()];
          for (const track of tracks) track.onended = () => told.push(track.readyState);
          for (const camera of native.cameras) camera.dispatchEvent(new Event("ended"));
        }"""
    )
    assert await page.evaluate("[told, p2pcamera.sessions.length]") == [["ended", "ended"], 0]
    await stage.first("DELETE", f"/sessions/{SESSION}")


SENT = """p2pcamera.sessions[0].getStats().then((report) =>
  [...report.values()].filter(({ type }) => type === "outbound-rtp").map((one) => one.frameWidth)[0])"""
CAP = """connections.at(-1).getSenders().find(({ track }) => track).getParameters().encodings[0].maxBitrate"""


async def test_largest_picture_that_is_asked_for_is_sent_and_the_camera_is_opened_no_larger(
    stage: Stage,
) -> None:
    page = await _opened(stage, COUNT_CONNECTIONS)

    async def sends(width: int) -> None:
        async def is_sent() -> bool:
            return bool(await page.evaluate(SENT) == width)

        await eventually(is_sent, 15, f"frames of {width} pixels are sent")

    await page.evaluate("ask({ width: 1280, height: 720 }).then((tracks) => (window.large = tracks[0]))")
    await page.evaluate("ask({ width: 320, height: 240 }).then((tracks) => (window.small = tracks[0]))")
    await sends(1280)
    assert await page.evaluate(CAP) == default_bitrate(1280, 720)
    await page.evaluate("large.stop()")
    await sends(320)
    assert await page.evaluate(CAP) == default_bitrate(320, 240)
    # Cropped and scaled would be made smaller from a camera that is still opened large.
    await page.wait_for_function("small.getSettings().resizeMode === 'none'", timeout=5_000)
    await page.evaluate("small.applyConstraints({ width: 640, height: 480 })")
    await sends(640)
    assert len(stage.sent("POST", "/offer")) == 1


async def test_connection_is_set_for_low_latency(stage: Stage) -> None:
    page = await _opened(stage, COUNT_CONNECTIONS)
    await page.evaluate("ask(true)")
    found = await page.evaluate(
        """() => {
          const [{ sender, receiver }] = connections[0].getTransceivers();
          const { degradationPreference, encodings } = sender.getParameters();
          const { contentHint } = sender.track;
          return [receiver.jitterBufferTarget, contentHint, degradationPreference, encodings[0].maxBitrate];
        }"""
    )
    assert found == [0, "motion", "maintain-resolution", 1_500_000]


async def test_uninstalled_the_browsers_own_functions_are_back_and_the_list_has_changed(stage: Stage) -> None:
    page = await stage.open(has_shim=False)
    functions = """() => [MediaDevices, MediaDeviceInfo, InputDeviceInfo, MediaStreamTrack, MediaStream,
      Navigator, HTMLIFrameElement]
        .flatMap(({ prototype }) => Object.values(Object.getOwnPropertyDescriptors(prototype)))
        .flatMap(({ value, get, set }) => [value, get, set])"""
    await page.evaluate(f"window.functions = {functions}; window.before = functions()")
    same = "functions().every((one, index) => one === before[index])"
    await page.evaluate(
        """() => {
          window.told = [];
          navigator.mediaDevices.ondevicechange = () => told.push("handler");
          navigator.mediaDevices.addEventListener("devicechange", () => told.push("listener"));
        }"""
    )
    for round_ in (1, 2):
        await page.add_script_tag(url=f"{SERVER}/p2pcamera.js")
        assert await page.evaluate(LABELS) == FILTERED
        assert not await page.evaluate(same)
        await page.evaluate(HELPERS)
        await page.evaluate(
            "ask(true).then(([track]) => { window.track = track; track.onended = () => told.push('ended') })"
        )
        assert await page.evaluate("colour(new MediaStream([track]))") == "red"
        await page.evaluate("p2pcamera.uninstall()")
        assert await page.evaluate(same)
        assert await page.evaluate(LABELS) == FILTERED[1::2]
        assert await page.evaluate("[track.readyState, 'p2pcamera' in window, native.isOn()]") == [
            "ended",
            False,
            False,
        ]
        assert len(stage.sent("POST", "/offer")) == round_
    change = ["handler", "listener"]
    assert await page.evaluate("told") == [*change, *change, "ended", *change, *change, "ended"]


async def test_uninstalled_below_another_script_the_call_goes_through_to_the_browser(stage: Stage) -> None:
    page = await stage.open()
    await page.evaluate(
        """() => {
          const { getUserMedia } = MediaDevices.prototype;
          MediaDevices.prototype.getUserMedia = function (constraints) {
            window.isWrapped = true;
            return getUserMedia.call(this, constraints);
          };
          p2pcamera.uninstall();
        }"""
    )
    assert await page.evaluate("attempt({ video: true })") == ""
    assert await page.evaluate("[isWrapped, stream === native.streams[0]]") == [True, True]
    assert await page.evaluate("colour(stream)") == "green"

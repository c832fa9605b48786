"""A page that asks the filtered camera and the browser's own the same questions, in whatever browser."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

MANNERS = (Path(__file__).parent / "pages" / "manners.js").read_text()

# Each is the body of an async function, run in both pages.
SAME = {
    "a new track": """
        const track = await open();
        const { kind, readyState, enabled, muted, contentHint, onmute, onended, id } = track;
        return [kind, readyState, enabled, muted, contentHint, onmute, onended, id.length, String(track)];
    """,
    "label": "return (await open()).label;",
    "settings": "return (await open()).getSettings();",
    "settings of what was asked for": """
        const track = await open({ width: 1280, height: 720, frameRate: 10 });
        return [track.getSettings(), await sized(track, 1280, 720)];
    """,
    "a crop of the camera": """
        const exact = { width: { exact: 400 }, height: { exact: 400 }, resizeMode: "crop-and-scale" };
        const track = await open(exact);
        return [track.getSettings(), track.getConstraints(), await sized(track, 400, 400)];
    """,
    "capabilities": "return (await open()).getCapabilities();",
    "constraints": """
        const asked = { width: 640, height: { min: 240, ideal: 480 }, advanced: [{ frameRate: 15 }] };
        return [(await open()).getConstraints(), (await open(asked)).getConstraints()];
    """,
    "constraints that name a device": """
        const [{ deviceId: first }, { deviceId: second }] = await twoCameras();
        const ways = [
          second, [first, second], { exact: [second, "none"] }, { ideal: ["none", second] },
          { exact: [second], ideal: first },
        ];
        const asked = ways.map((deviceId) => ({ deviceId }));
        asked.push({ advanced: [{ deviceId: first }, { deviceId: { exact: [first, second] } }] });
        const found = [];
        for (const one of asked) {
          const track = await open(one);
          found.push([track.label, track.getSettings().deviceId, track.getConstraints()]);
          track.stop();
        }
        return found;
    """,
    "devices that do not exist": """
        const ways = [{ exact: "none" }, { exact: ["none", "nil"] }, { exact: "" }];
        return Promise.all(ways.map((deviceId) => failure(open({ deviceId }))));
    """,
    "demands that no camera meets": """
        const ways = [{ width: { exact: 99999 } }, { frameRate: { min: 1000 } }];
        ways.push({ facingMode: { exact: "left" } });
        return Promise.all(ways.map((video) => failure(open(video))));
    """,
    "calls that are none": """
        const { mediaDevices } = navigator;
        const calls = [{}, undefined, { video: { width: { exact: "wide" } } }, { video: { advanced: 5 } }];
        const failures = calls.map((call) => failure(openStream(call)));
        failures.push(failure(mediaDevices.getUserMedia.call({}, { video: true })));
        failures.push(failure(mediaDevices.enumerateDevices.call({})));
        return Promise.all(failures);
    """,
    "another size in mid-call": """
        const track = await open();
        const returned = await track.applyConstraints({ width: 1280, height: 720 });
        const larger = [track.getSettings(), track.getConstraints(), await sized(track, 1280, 720)];
        await track.applyConstraints({ width: 320, height: 180 });
        return [Boolean(returned), larger, track.getSettings(), await sized(track, 320, 180)];
    """,
    "another frame rate in mid-call": """
        const track = await open({ frameRate: 20 });
        const { frameRate: before } = track.getSettings();
        await track.applyConstraints({ frameRate: { exact: 10 } });
        const { frameRate } = track.getSettings();
        await interval_ms(track);
        return [before, frameRate, (await interval_ms(track)) > 80];
    """,
    "a demand in mid-call that cannot be met": """
        const track = await open({ width: 640 });
        const [{ deviceId: own }, { deviceId: other }] = await twoCameras();
        const demands = [
          { width: { exact: 99999 } }, { frameRate: { exact: 1000 } }, { height: { min: 5000 } },
          { deviceId: { exact: other } }, { deviceId: { exact: "none" } }, { width: { exact: "wide" } },
          { deviceId: { exact: own } }, { deviceId: other }, { deviceId: [own] },
        ];
        const found = [];
        for (const demand of demands) {
          const outcome = await failure(track.applyConstraints(demand));
          found.push([outcome, track.getConstraints(), track.getSettings()]);
        }
        return found;
    """,
    "demands at once": """
        const track = await open();
        const sizes = [[1280, 720], [320, 180], [640, 360]];
        const demands = sizes.map(([width, height]) => track.applyConstraints({ width, height }));
        demands.push(track.applyConstraints({ width: { exact: 99999 } }));
        const outcomes = (await Promise.allSettled(demands)).map(({ status }) => status);
        return [outcomes, track.getSettings(), track.getConstraints(), await sized(track, 640, 360)];
    """,
    "demands withdrawn": """
        const track = await open({ width: 320, height: 180 });
        await track.applyConstraints();
        const without = [track.getSettings(), track.getConstraints()];
        await track.applyConstraints({});
        return [without, track.getConstraints(), await failure(track.applyConstraints(null))];
    """,
    "a clone": """
        const track = await open({ width: 320, height: 180 });
        Object.assign(track, { enabled: false, contentHint: "detail" });
        const copy = track.clone();
        const { enabled, contentHint, readyState, label, kind, muted } = copy;
        const same = [copy instanceof MediaStreamTrack, copy.id !== track.id, copy.id.length];
        track.stop();
        copy.enabled = true;
        const found = [copy.readyState, copy.getSettings(), copy.getConstraints()];
        found.push(await sized(copy, 320, 180));
        copy.stop();
        return [enabled, contentHint, readyState, label, kind, muted, same, found, copy.readyState];
    """,
    "a clone with a size of its own": """
        const track = await open({ width: 640, height: 480 });
        const copy = track.clone();
        await copy.applyConstraints({ width: 320, height: 180, frameRate: 10 });
        const sizes = [await sized(track, 640, 480), await sized(copy, 320, 180)];
        sizes.push((await interval_ms(copy)) > 80);
        const found = [track, copy].map((one) => [one.getSettings(), one.getConstraints()]);
        copy.stop();
        return [sizes, found, track.readyState];
    """,
    "several tracks of one camera": """
        const tracks = [await open({ width: 320, height: 240 }), await open({ width: 1280, height: 720 })];
        tracks.push(await open({ width: 160, height: 160, resizeMode: "crop-and-scale" }));
        const settings = tracks.map((track) => track.getSettings());
        const sizes = [];
        for (const [index, { width, height }] of settings.entries()) {
          sizes.push(await sized(tracks[index], width, height));
        }
        tracks[0].stop();
        return [settings, sizes, tracks.map(({ readyState }) => readyState), new Set(tracks).size];
    """,
    "a stopped track": """
        const track = await open({ width: 320 });
        let told = 0;
        track.onended = () => (told += 1);
        const stream = new MediaStream([track]);
        const before = stream.active;
        track.stop();
        track.stop();
        const copy = track.clone();
        const found = [track.readyState, track.enabled, track.muted, track.label, before, stream.active];
        const asked = [track.getSettings(), track.getConstraints(), track.getCapabilities()];
        const late = await failure(track.applyConstraints({ width: 640 }));
        await new Promise((resolve) => setTimeout(resolve, 100));
        return [found, asked, late, copy.readyState, copy.label, copy.clone().readyState, told];
    """,
    "enabled": """
        const track = await open();
        const found = [await isDark(track)];
        track.enabled = false;
        found.push(track.enabled, await isDark(track), track.readyState, track.muted);
        track.enabled = true;
        found.push(await isDark(track));
        return found;
    """,
    "content hint": """
        const track = await open();
        const found = [track.contentHint];
        for (const hint of ["detail", "nonsense", "motion", ""]) {
          track.contentHint = hint;
          found.push(track.contentHint);
        }
        return found;
    """,
    "counts of frames": """
        const track = await open();
        if (!track.stats) return Reflect.has(MediaStreamTrack.prototype, "stats");
        await frame(track, () => track.stats.deliveredFrames > 0);
        const { stats } = track;
        return [String(stats), Object.keys(stats.toJSON()), stats.deliveredFrames > 0];
    """,
    "a stream": """
        const stream = await openStream({ video: true, audio: true });
        const copy = stream.clone();
        const kinds = (one) => one.getTracks().map(({ kind, label }) => [kind, label]);
        const found = [String(stream), stream.active, kinds(stream), kinds(copy), copy.id !== stream.id];
        for (const track of stream.getTracks()) track.stop();
        found.push(stream.active, copy.active, copy.getVideoTracks()[0].readyState);
        for (const track of copy.getTracks()) track.stop();
        return [found, copy.active];
    """,
    "what a call is made of": """
        const stream = await openStream({ video: true });
        const [track] = stream.getVideoTracks();
        const [device] = await cameras();
        const classes = [MediaDevices, MediaDeviceInfo, MediaStreamTrack, MediaStream, Navigator];
        classes.push(HTMLIFrameElement, window.InputDeviceInfo ?? Object);
        const own = [navigator.mediaDevices, track, stream, device].map((one) => Reflect.ownKeys(one));
        return [classes.map((one) => members(one.prototype)), own, track.constructor.name];
    """,
    "a device": """
        const found = [];
        for (const device of await cameras()) {
          const { deviceId, kind, label, groupId } = device;
          const label2 = Object.getOwnPropertyDescriptor(MediaDeviceInfo.prototype, "label").get.call(device);
          found.push([deviceId, kind, label, groupId, label2, JSON.stringify(device), String(device)]);
          const capabilities = device.getCapabilities?.();
          found.push([device instanceof MediaDeviceInfo, device.constructor.name, capabilities]);
        }
        return found;
    """,
    "a device and its track": """
        const [, device] = await twoCameras();
        const track = await open({ deviceId: { exact: device.deviceId } });
        const { deviceId, groupId } = track.getSettings();
        return [deviceId === device.deviceId, groupId === device.groupId, track.label === device.label];
    """,
    "members of what is no device": """
        const getter = (prototype, name) => Object.getOwnPropertyDescriptor(prototype, name).get;
        const calls = [
          () => getter(MediaDeviceInfo.prototype, "label").call({}),
          () => getter(MediaStreamTrack.prototype, "muted").call({}),
          () => MediaStreamTrack.prototype.stop.call(null),
          () => MediaStreamTrack.prototype.clone.call(new MediaStream()),
        ];
        return calls.map((call) => { try { return call(); } catch (error) { return `${error}`; } });
    """,
}


class Page(Protocol):
    """A page of some browser."""

    async def evaluate(self, expression: str) -> Any:
        """Return what the expression is, or what its promise brings."""


@dataclass(frozen=True, slots=True)
class Camera:
    """What a page without the shim sees of one."""

    id: str
    """Another in each page, in some browsers."""
    label: str
    group: str
    """Another in each page."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A page, and what the browser's cameras are called in it."""

    page: Page
    cameras: list[Camera]

    @classmethod
    async def of(cls, page: Page) -> Subject:
        devices = await page.evaluate("manners.rawCameras()")
        return cls(page, [Camera(one["deviceId"], one["label"], one["groupId"]) for one in devices])

    async def ask(self, question: str) -> str:
        """Return the answer as JSON."""
        return str(
            await self.page.evaluate(f"manners.answer(async (page) => {{ with (page) {{ {question} }} }})")
        )


async def answers(plain: Subject, shim: Subject, question: str) -> tuple[Any, Any]:
    """Return the browser's own answer and the filtered camera's, with its names as those of the camera.

    Ids and groups are named by their cameras' places, so that two pages can be compared.
    """
    expected = await plain.ask(question)
    told = await shim.ask(question)
    assert [camera.label for camera in plain.cameras] == [camera.label for camera in shim.cameras]
    for place, camera in enumerate(plain.cameras):
        expected = expected.replace(camera.id, f"id {place}").replace(camera.group, f"group {place}")
    for place, camera in enumerate(shim.cameras):
        assert camera.id not in told
        filtered = f"{camera.label} (filtered)"
        assert told.count(camera.label) == told.count(filtered)
        told = told.replace(camera.id[::-1], f"id {place}").replace(filtered, camera.label)
        told = told.replace(camera.group, f"group {place}")
    return json.loads(expected), json.loads(told)

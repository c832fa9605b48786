"""Pages that do what few pages do: old libraries, old constraints, photographs, scripts without a place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.async_api import Browser

from harness.deadline import eventually
from tests.e2e.stage import SERVER, SHIM, Stage

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

OLD_LIBRARY = """<script>
Array.prototype.toJSON = () => "an array";
Object.prototype.toJSON = () => "an object";
String.prototype.toJSON = () => "a text";
JSON.stringify = () => "patched";
JSON.parse = () => "patched";
Array.prototype.flat = () => [];
</script>"""


@pytest.fixture(scope="module")
def browser(three_cameras_chromium: Browser) -> Browser:
    return three_cameras_chromium


async def test_what_a_page_has_patched_changes_no_message(stage: Stage) -> None:
    page = await stage.open({"filter": "invert,ink"}, body=OLD_LIBRARY)
    assert await page.evaluate("attempt({ video: true })") == ""
    (offer,) = stage.sent("POST", "/offer")
    assert (offer.body["filter"], offer.body["params"]) == (["invert", "ink"], {})
    await page.evaluate("p2pcamera.setFilter(['ink', 'invert'], { ink: { colours: ['red', 1] } })")
    heard = await stage.far_end.evaluate("heard")
    said = [json.loads(text) for text in heard if text.startswith("{")]
    assert said[-1] == {
        "type": "filter",
        "name": ["ink", "invert"],
        "params": {"ink": {"colours": ["red", 1]}},
    }


async def test_a_page_may_name_a_camera_as_before_the_standard(stage: Stage) -> None:
    page = await stage.open()
    told = await page.evaluate(
        """async () => {
          await attempt({ video: true });
          const devices = await navigator.mediaDevices.enumerateDevices();
          // The last one and its filtered one: a call that names no camera gets another.
          const cameras = devices.filter(({ kind }) => kind === "videoinput").slice(-2);
          const told = [];
          for (const { deviceId, label } of cameras) {
            for (const video of [
              { mandatory: { sourceId: deviceId } },
              { mandatory: { sourceId: deviceId, minWidth: 640 }, optional: [{ maxWidth: 640 }] },
              { optional: [{ sourceId: deviceId }] },
            ]) {
              const error = await attempt({ video });
              const [track] = stream.getVideoTracks();
              const constraints = track.getConstraints();
              const named = constraints.deviceId?.exact ?? constraints.advanced?.[0].deviceId;
              const isIt = track.getSettings().deviceId === deviceId;
              told.push([error, label, track.label, isIt, named === deviceId]);
              track.stop();
            }
          }
          return told;
        }"""
    )
    assert len(told) == 6
    for index, (error, label, opened, is_it, reads_back) in enumerate(told):
        assert error == ""
        # Chromium itself does not look at a wish that names a device.
        if index % 3 < 2:
            assert (opened, is_it) == (label, True)
        else:
            assert "filtered" in opened
        assert reads_back


async def test_a_photograph_is_a_filtered_frame_and_its_settings_are_the_cameras(stage: Stage) -> None:
    page = await stage.open()
    told = await page.evaluate(
        """async () => {
          await attempt({ video: true });
          const [track] = stream.getVideoTracks();
          const [camera] = native.streams[0].getVideoTracks();
          const told = [];
          const about = async (capture) => {
            const { imageWidth: { min, max, step } } = await capture.getPhotoCapabilities();
            return [await capture.getPhotoSettings(), min, max, step].map((one) => ({ ...one, one }).one);
          };
          const ours = new ImageCapture(track);
          const theirs = new ImageCapture(camera);
          told.push(JSON.stringify(await about(ours)) === JSON.stringify(await about(theirs)));
          const pen = new OffscreenCanvas(1, 1).getContext("2d");
          for (const settings of [undefined, { imageWidth: 320 }, { imageWidth: 200, imageHeight: 100 }]) {
            const picture = await createImageBitmap(await ours.takePhoto(settings));
            pen.drawImage(picture, 0, 0, 1, 1);
            const [red, green] = pen.getImageData(0, 0, 1, 1).data;
            told.push([picture.width, picture.height, red > 150 && green < 80]);
          }
          for (const settings of [{ imageHeight: 100000 }, { redEyeReduction: true }]) {
            told.push(await ours.takePhoto(settings).then(() => "", ({ name }) => name));
          }
          return told;
        }"""
    )
    assert told == [
        True,
        [640, 480, True],
        [320, 240, True],
        [200, 100, True],
        "NotSupportedError",
        "NotSupportedError",
    ]


async def test_elements_that_ask_for_a_camera_give_the_filtered_one(stage: Stage) -> None:
    page = await stage.open(
        body="""<usermedia type=camera id=user style="display: block"></usermedia><camera id=camera></camera>
          <script>
            window.seen = { stream: [], track: [] };
            user.addEventListener("stream", () => seen.stream.push(user.stream?.getVideoTracks()[0].label));
            camera.addEventListener("track", () => seen.track.push(camera.track?.label));
          </script>"""
    )
    if not await page.evaluate("'HTMLUserMediaElement' in window && 'HTMLCameraElement' in window"):
        pytest.skip("this browser has no such elements")
    for name, member in (("user", "stream"), ("camera", "track")):

        async def has_a_camera(name: str = name, member: str = member) -> bool:
            # The browser takes no click while the element is new.
            await page.click(f"#{name}", force=True)
            return bool(await page.evaluate("member => seen[member].length", member))

        await eventually(has_a_camera, 15, f"{name} has a camera")
    seen = await page.evaluate("seen")
    assert all("filtered" in label for labels in seen.values() for label in labels)


@pytest.mark.parametrize(
    ("way", "told"),
    [
        # A script of no address, with and without the server's.
        ("element(blob, { server })", ""),
        pytest.param("element(blob, {})", "needs data-server", marks=pytest.mark.slow),
        # No current script.
        ("element(address, {}, shadow())", "p2pcamera.server is not set"),
        pytest.param("(0, eval)(text)", "p2pcamera.server is not set", marks=pytest.mark.slow),
        pytest.param("((0, eval)(text), (p2pcamera.server = server))", "", marks=pytest.mark.slow),
    ],
)
async def test_a_script_that_has_no_place_works_or_says_what_to_do(stage: Stage, way: str, told: str) -> None:
    page = await stage.open(has_shim=False)
    error = await page.evaluate(
        f"""async ([server, text]) => {{
          const address = `${{server}}/p2pcamera.js`;
          const blob = URL.createObjectURL(new Blob([text], {{ type: "text/javascript" }}));
          const shadow = () => {{
            const host = document.body.appendChild(document.createElement("div"));
            return host.attachShadow({{ mode: "open" }});
          }};
          const element = (src, data, parent = document.head) => new Promise((resolve) => {{
            const script = Object.assign(document.createElement("script"), {{ src, onload: resolve }});
            Object.assign(script.dataset, data);
            parent.append(script);
          }});
          await ({way});
          return attempt({{ video: true }});
        }}""",
        [SERVER, SHIM.read_text()],
    )
    if told:
        assert "NotReadableError" in error
        assert told in error
    else:
        assert error == ""
        assert len(stage.sent("POST", "/offer")) == 1


async def test_where_the_script_is_blocked_a_page_can_keep_the_raw_camera_out(stage: Stage) -> None:
    text = (Path(__file__).parents[3] / "docs" / "use.md").read_text()
    recipe = text.partition("<!-- a test runs this -->\n```html\n")[2].partition("```")[0]
    assert "your.server" in recipe
    stage.is_script_blocked = True
    page = await stage.open(body=recipe.replace("https://your.server", SERVER), has_shim=False)
    assert (
        await page.evaluate("attempt({ video: true })") == "NotReadableError: The filter could not be loaded"
    )
    assert await page.evaluate("native.calls") == []


async def test_the_own_view_is_a_looking_glass_and_the_track_is_not(stage: Stage) -> None:
    page = await stage.open(
        {"mirror": "self"}, body="<video id=me></video><video id=own style='scale: 2'></video>"
    )
    assert await page.evaluate("attempt({ video: true })") == ""
    scales = "[me.style.scale, own.style.scale]"
    assert await page.evaluate(f"me.srcObject = own.srcObject = stream, {scales}") == ["-1 1", "2"]
    assert await page.evaluate(f"p2pcamera.mirror = 'off', {scales}") == ["", "2"]
    assert await page.evaluate(f"p2pcamera.mirror = 'self', {scales}") == ["-1 1", "2"]
    assert await page.evaluate(
        f"me.srcObject = new MediaStream(native.streams[0].getTracks()), {scales}"
    ) == ["", "2"]
    assert await page.evaluate(f"me.srcObject = stream, p2pcamera.uninstall(), {scales}") == ["", "2"]

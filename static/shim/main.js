/**
 * p2pcamera.js makes every camera of a page a filtered camera. It takes one classic script tag:
 *
 *     <script src="https://server/p2pcamera.js" data-filter="ink" data-params='{"strength": 1}'></script>
 *
 * | attribute     | meaning                                                                                |
 * |---------------|----------------------------------------------------------------------------------------|
 * | `data-server` | the signaling service; by default the folder that this script came from                |
 * | `data-filter` | name of a filter, or several applied in order: `a,b`; by default the server's own       |
 * | `data-params` | JSON object of the filter's parameters                                                 |
 * | `data-outage` | `closed` (default): never a raw frame; `open`: the raw camera where there is no other   |
 * | `data-token`  | the server's `--api-key`, or a token that the site's own server has minted              |
 * | `data-token-url` | address of the site's own server that mints one whenever one is needed               |
 * | `data-mirror` | `off` (default); `self`: the page's own view of a front camera is a looking glass           |
 * | `data-publish` | the name under which others may watch; empty: one that cannot be guessed               |
 * | `data-publish-sound` | `off` (default); `on`: they hear the page's microphone too                       |
 * | `data-audio`  | `untouched` (default); `sync`: delayed with the picture, so that lips match             |
 *
 * `getUserMedia` then answers a call for video with the filtered track and the untouched audio tracks. A call
 * without video goes to the browser unchanged. A page can change the filter in mid-call and read measurements
 * by `window.p2pcamera`; no page needs it. Its types are in p2pcamera.d.ts.
 *
 * `enumerateDevices` lists a filtered camera before each camera, with an id of its own. A call that names no
 * device, or a filtered one, gets a filtered camera. A call that names a device as a wish (a bare `deviceId`,
 * `ideal`) gets the filtered one of the camera which the browser chooses. A call that demands a real one by
 * `deviceId: {exact: id}` gets the raw camera. All calls for one camera share one session, which ends with
 * the last of their tracks.
 *
 * The filtered track outlives the connection behind it. A lost connection is made again, and the same track
 * shows its frames. Meanwhile the last filtered frame stays (`closed`), or the raw camera shows after half a
 * second (`open`). Under `closed` this script never puts a raw frame into a track of the page's.
 *
 * A private filter hides what the camera sees: `background`, `face`, and those that the server calls private.
 * While one is chosen, the policy is `closed`, here and at the server. Once `setFilter` to a private filter
 * has resolved, the page is shown nothing older than that filter's first frame.
 */

import { embedder, mark } from "./base/embedder.js";
import { Fault } from "./base/fault.js";
import { Link } from "./connection/link.js";
import { Signaling } from "./connection/signaling.js";
import { Page } from "./page/page.js";
import { Places } from "./page/places.js";
import { readSettings } from "./settings/settings.js";

/** @import { Settings } from "./settings/settings.js" */

if (typeof window === "undefined") {
  // A server that renders pages imports the module, too. It has no camera.
} else if (mark in window) {
  console.warn("p2pcamera: the page loads the script twice; the first one keeps the camera");
} else if (!navigator.mediaDevices) {
  console.warn("p2pcamera: the browser gives no camera to this page; it needs https, or localhost");
} else {
  if (embedder?.connect) embedder.connect({ Link, Signaling });
  // Read here, while the script runs: later there is no current script.
  else install(embedder?.settings ?? readSettings(scriptTag(), document.baseURI));
}

/** @returns {{src: string, dataset: DOMStringMap} | null} null in a module, in a shadow tree, and in an evaluated text */
function scriptTag() {
  const script = document.currentScript;
  return script && { src: script instanceof HTMLScriptElement ? script.src : "", dataset: script.dataset };
}

/** @param {Settings} settings */
function install(settings) {
  const { getUserMedia } = MediaDevices.prototype;
  const listening = new AbortController();
  const places = new Places();
  const page = new Page(settings, {
    getUserMedia: (constraints) => getUserMedia.call(navigator.mediaDevices, constraints),
    places: () => places.all,
    restore: () => {
      places.uninstall();
      listening.abort();
    },
  });
  Object.freeze(page);
  try {
    places.install(window, page);
  } catch (error) {
    // Calls for video fail with the reason, where they could be replaced.
    const reason = `a script of the page has fixed what is to be replaced (${error})`;
    settings.fault = new Fault("page_fixed", reason);
    console.error(`p2pcamera: the camera cannot be filtered in this page: ${reason}`);
  }
  embedder?.begin(page, Fault);
  const { signal } = listening;
  addEventListener("pagehide", () => page.closeAll(), { signal });
  for (const type of ["online", "pageshow"]) addEventListener(type, () => page.lookAtAll(), { signal });
  const lookWhenShown = () => {
    if (!document.hidden) page.lookAtAll();
  };
  document.addEventListener("visibilitychange", lookWhenShown, { signal });
}

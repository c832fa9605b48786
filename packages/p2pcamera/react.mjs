/**
 * The filtered camera as a hook of React.
 */

import { useEffect, useState } from "react";

import { p2pcamera } from "./p2pcamera.mjs";

/** @import { FilteredCamera, FilteredCameraOptions } from "./react.mjs" */

/** @type {FilteredCamera} */
const OFF = { stream: null, error: null, state: "off", quality: null };

/** @param {FilteredCameraOptions} [options] @returns {FilteredCamera} */
export function useFilteredCamera(options = {}) {
  const { server, filter = null, params = {}, outage, token, mirror } = options;
  const { video = true, audio = false, isOn = true } = options;
  const [camera, setCamera] = useState(OFF);
  // An object that is written in a component is another one each time: what it says is compared.
  const asked = JSON.stringify({ video, audio });
  const choice = JSON.stringify({ filter, params });
  const change = (/** @type {Partial<FilteredCamera>} */ news) =>
    setCamera((before) => ({ ...before, ...news }));

  // Before the camera is opened, which is the next effect.
  useEffect(() => {
    if (!p2pcamera) return;
    if (server !== undefined) p2pcamera.server = server;
    if (outage !== undefined) p2pcamera.outage = outage;
    if (token !== undefined) p2pcamera.token = token;
    if (mirror !== undefined) p2pcamera.mirror = mirror;
  }, [server, outage, token, mirror]);

  useEffect(() => {
    const wanted = JSON.parse(choice);
    if (!p2pcamera) return;
    if (p2pcamera.sessions.length === 0 || wanted.filter === null) {
      Object.assign(p2pcamera, wanted);
      return;
    }
    let isPast = false;
    p2pcamera.setFilter(wanted.filter, wanted.params).then(
      () => isPast || change({ error: null }),
      (error) => isPast || change({ error }),
    );
    return () => {
      isPast = true;
    };
  }, [choice]);

  useEffect(() => {
    if (!isOn) return;
    if (!p2pcamera) {
      change({ error: new DOMException("a camera needs HTTPS, or localhost", "NotSupportedError") });
      return;
    }
    const shim = p2pcamera;
    const listening = new AbortController();
    const { signal } = listening;
    /** @type {MediaStream | null} */
    let own = null;
    shim.addEventListener("statechange", ({ detail }) => change({ state: detail.session.state }), { signal });
    shim.addEventListener("quality", ({ detail }) => change({ quality: detail.quality }), { signal });
    navigator.mediaDevices.getUserMedia(JSON.parse(asked)).then(
      (stream) => {
        own = stream;
        // The component may have gone while the user was asked.
        if (signal.aborted) stop(stream);
        else change({ stream, error: null });
      },
      (error) => signal.aborted || change({ error }),
    );
    return () => {
      listening.abort();
      if (own) stop(own);
      setCamera(OFF);
    };
  }, [isOn, asked, server]);

  return camera;
}

/** @param {MediaStream} stream */
function stop(stream) {
  for (const track of stream.getTracks()) track.stop();
}

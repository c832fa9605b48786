// @ts-check
"use strict";
// The article's sequence of calls: a transceiver from the camera's track, the SDP of createOffer posted as it
// is, before any candidate is known, the answer set, and nothing else.
//
// ?server=URL      origin of the service
// &query=...       added to /offer, URL-encoded
// &add=track       addTrack in place of addTransceiver
// &kbit=2000       x-google-start-bitrate, put into the answer by the page (for servers that do not do it)

/** @type {any} */ (window).connected = (async () => {
  const wanted = new URLSearchParams(location.search);
  const original = /** @type {HTMLVideoElement} */ (document.getElementById("original"));
  const filtered = /** @type {HTMLVideoElement} */ (document.getElementById("filtered"));
  const meter = /** @type {any} */ (window).meter;

  const camera = await navigator.mediaDevices.getUserMedia({
    video: { width: 640, height: 480, frameRate: 30 },
  });
  original.srcObject = camera;
  meter.watch("original", original);
  meter.watch("filtered", filtered);

  const connection = new RTCPeerConnection();
  connection.addEventListener("track", (event) => {
    filtered.srcObject = new MediaStream([event.track]);
  });
  const [track] = camera.getVideoTracks();
  if (wanted.get("add") === "track") {
    connection.addTrack(track, camera);
  } else {
    connection.addTransceiver(track);
  }

  const offer = await connection.createOffer();
  const isConnected = new Promise((resolve) => {
    connection.addEventListener("connectionstatechange", () => {
      if (connection.connectionState === "connected") resolve(performance.now());
    });
  });
  await connection.setLocalDescription(offer);
  const began = performance.now();
  const reply = await fetch(`${wanted.get("server")}/offer${wanted.get("query") ?? ""}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ sdp: offer.sdp, type: offer.type }),
  });
  const answer = await reply.json();
  if (!reply.ok) throw new Error(JSON.stringify(answer));
  const kbit = wanted.get("kbit");
  await connection.setRemoteDescription({
    type: answer.type,
    sdp: kbit ? withStartBitrate(answer.sdp, Number(kbit)) : answer.sdp,
  });
  return { afterMs: /** @type {number} */ (await isConnected) - began, offered: offer.sdp };
})();

/**
 * @param {string} sdp
 * @param {number} kbit
 */
function withStartBitrate(sdp, kbit) {
  return sdp.replace(
    /^(a=rtpmap:(\d+) VP8\/90000\r\n)/gm,
    `$1a=fmtp:$2 x-google-start-bitrate=${kbit};x-google-min-bitrate=${kbit}\r\n`,
  );
}

/** Clients of WHIP and WHEP that others have written, for tests that bundle this file with them. */

import { WHIPClient as EyevinnClient } from "@eyevinn/whip-web-client";
import { WHEPClient } from "whip-whep/whep.js";
import { WHIPClient } from "whip-whep/whip.js";

const [picture] = document.getElementsByTagName("video");

/** @type {{client: unknown, connection: RTCPeerConnection}} the client in use, and its connection */
const live = { client: null, connection: new RTCPeerConnection() };

/** @param {string} url */
async function publishByMedooze(url) {
  const camera = await navigator.mediaDevices.getUserMedia({ video: true, audio: true });
  live.connection = new RTCPeerConnection();
  for (const track of camera.getTracks()) {
    live.connection.addTransceiver(track, { direction: "sendonly", streams: [camera] });
  }
  const client = new WHIPClient();
  live.client = client;
  await client.publish(live.connection, url);
}

/** @param {string} url */
async function watchByMedooze(url) {
  live.connection = new RTCPeerConnection();
  const stream = new MediaStream();
  for (const kind of ["audio", "video"]) {
    live.connection.addTransceiver(kind, { direction: "recvonly" });
  }
  live.connection.addEventListener("track", ({ track }) => stream.addTrack(track));
  picture.srcObject = stream;
  const client = new WHEPClient();
  live.client = client;
  await client.view(live.connection, url);
}

/** @param {string} endpoint */
async function publishByEyevinn(endpoint) {
  const camera = await navigator.mediaDevices.getUserMedia({ video: true, audio: true });
  const client = new EyevinnClient({
    endpoint,
    opts: { iceServers: [] },
    peerConnectionFactory: (configuration) => {
      live.connection = new RTCPeerConnection(configuration);
      return live.connection;
    },
  });
  live.client = client;
  await client.ingest(camera);
}

/** Tell how the connection is, the name of the ICE session that media takes, and the pictures that came or went. */
async function state() {
  const { connection } = live;
  const [transceiver] = connection.getTransceivers();
  const ice = (transceiver.sender.transport ?? transceiver.receiver.transport)?.iceTransport;
  let pictures = 0;
  for (const one of (await connection.getStats()).values()) {
    if (one.kind === "video") pictures += one.framesDecoded ?? one.framesSent ?? 0;
  }
  return {
    connection: connection.connectionState,
    selected: ice?.getSelectedCandidatePair()?.local?.usernameFragment,
    pictures,
  };
}

Object.assign(window, { live, picture, publishByMedooze, watchByMedooze, publishByEyevinn, state });

/** Clients of WHIP and WHEP that others have written, for tests that bundle this file with them. */

import { WHIPClient as EyevinnClient } from "@eyevinn/whip-web-client";
import { WHEPClient } from "whip-whep/whep.js";
import { WHIPClient } from "whip-whep/whip.js";

const picture = document.querySelector("video");

/** The connection of the client in use. */
const live = { client: null, connection: null };

async function publishByMedooze(url) {
  const camera = await navigator.mediaDevices.getUserMedia({ video: true, audio: true });
  live.connection = new RTCPeerConnection();
  for (const track of camera.getTracks()) {
    live.connection.addTransceiver(track, { direction: "sendonly", streams: [camera] });
  }
  live.client = new WHIPClient();
  await live.client.publish(live.connection, url);
}

async function watchByMedooze(url) {
  live.connection = new RTCPeerConnection();
  const stream = new MediaStream();
  for (const kind of ["audio", "video"]) {
    live.connection.addTransceiver(kind, { direction: "recvonly" });
  }
  live.connection.ontrack = ({ track }) => stream.addTrack(track);
  picture.srcObject = stream;
  live.client = new WHEPClient();
  await live.client.view(live.connection, url);
}

async function publishByEyevinn(endpoint) {
  const camera = await navigator.mediaDevices.getUserMedia({ video: true, audio: true });
  live.client = new EyevinnClient({
    endpoint,
    opts: { iceServers: [] },
    peerConnectionFactory: (configuration) => {
      live.connection = new RTCPeerConnection(configuration);
      return live.connection;
    },
  });
  await live.client.ingest(camera);
}

/** Tell how the connection is, the other side's name for it, and the pictures that came or went. */
async function state() {
  const { connection } = live;
  const [transceiver] = connection.getTransceivers();
  const ice = (transceiver.sender.transport ?? transceiver.receiver.transport)?.iceTransport;
  let pictures = 0;
  for (const one of (await connection.getStats()).values()) {
    if (one.kind === "video") pictures += one.framesDecoded ?? one.framesSent ?? 0;
  }
  const pair = ice?.getSelectedCandidatePair();
  return {
    connection: connection.connectionState,
    remote: ice?.getRemoteParameters()?.usernameFragment,
    selected: pair?.local?.usernameFragment,
    pictures,
  };
}

Object.assign(window, { live, picture, publishByMedooze, watchByMedooze, publishByEyevinn, state });

/**
 * A native client, by libdatachannel, whose WebRTC is OBS's too.
 *
 *     node native_client.mjs watch URL          prints what came, once a second
 *     node native_client.mjs publish URL PORT   sends the RTP packets that come to a UDP port of 127.0.0.1
 *
 * It ends its session and itself when its input ends.
 */

import { createSocket } from "node:dgram";

import datachannel from "node-datachannel";

const PAYLOAD_TYPE = 96;
const SSRC = 42;
const RTP_HEADER_BYTES = 12;
const [IDR, SPS, STAP_A, FU_A] = [5, 7, 24, 28];

const [role, url, port] = process.argv.slice(2);
const connection = new datachannel.PeerConnection(role, { iceServers: [] });
connection.onStateChange((state) => console.log(JSON.stringify({ state })));

const video = new datachannel.Video("0", role === "watch" ? "RecvOnly" : "SendOnly");
video.addH264Codec(PAYLOAD_TYPE);
if (role === "publish") video.addSSRC(SSRC, "native", "native", "video");
const track = connection.addTrack(video);

if (role === "watch") {
  const came = { packets: 0, keyFrames: 0 };
  track.setMediaHandler(new datachannel.RtcpReceivingSession());
  track.onMessage((packet) => {
    came.packets += 1;
    if (beginsKeyFrame(packet.subarray(RTP_HEADER_BYTES))) came.keyFrames += 1;
  });
  setInterval(() => console.log(JSON.stringify(came)), 1000).unref();
} else {
  const socket = createSocket("udp4", (packet) => track.isOpen() && track.sendMessageBinary(packet));
  socket.bind(Number(port), "127.0.0.1");
}

const session = await offer();
process.stdin.on("end", async () => {
  await fetch(session, { method: "DELETE" });
  connection.close();
  process.exit();
});
process.stdin.resume();

async function offer() {
  const gathered = new Promise((resolve) => {
    connection.onGatheringStateChange((state) => state === "complete" && resolve(undefined));
  });
  connection.setLocalDescription("offer");
  await gathered;
  const answer = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/sdp" },
    body: connection.localDescription()?.sdp ?? "",
  });
  if (answer.status !== 201) throw new Error(`${answer.status}: ${await answer.text()}`);
  connection.setRemoteDescription(await answer.text(), "answer");
  return new URL(answer.headers.get("location") ?? "", url);
}

/** @param {Buffer} payload of RTP (RFC 6184) */
function beginsKeyFrame(payload) {
  const kind = payload[0] & 31;
  if (kind === STAP_A) return (payload[3] & 31) === SPS;
  return kind === FU_A ? (payload[1] & 31) === IDR && payload[1] >= 128 : kind === IDR;
}

import assert from "node:assert/strict";
import { test } from "node:test";

import { CandidateBatches, sdpFragment } from "../../../static/shim/connection/candidate_batches.js";

const SDP = [
  "v=0",
  "m=video 9 UDP/TLS/RTP/SAVPF 96",
  "a=mid:0",
  "a=ice-ufrag:abcd",
  "a=ice-pwd:secret",
  "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
  "a=mid:1",
  "",
].join("\r\n");

/** Batches whose clock is turned by hand, and what they have sent. */
function begun() {
  /** @type {(() => void)[]} */
  const waiting = [];
  /** @type {{candidates: string[], isComplete: boolean}[]} */
  const sent = [];
  const batches = new CandidateBatches((act) => waiting.push(act));
  const passTime = () => waiting.splice(0).forEach((act) => act());
  const follow = () => batches.follow((candidates, isComplete) => sent.push({ candidates, isComplete }));
  return { batches, sent, waiting, passTime, follow };
}

test("candidates that are found together are sent together", () => {
  const { batches, sent, waiting, passTime, follow } = begun();
  follow();
  batches.add("one");
  batches.add("two");
  assert.deepEqual(sent, []);
  assert.equal(waiting.length, 1);
  passTime();
  assert.deepEqual(sent, [{ candidates: ["one", "two"], isComplete: false }]);
  batches.add("three");
  passTime();
  assert.deepEqual(sent.at(-1), { candidates: ["three"], isComplete: false });
});

test("what the offer carries is not sent again", () => {
  const { batches, sent, passTime, follow } = begun();
  batches.add("one");
  batches.drop();
  batches.add("two");
  follow();
  passTime();
  assert.deepEqual(sent, [{ candidates: ["two"], isComplete: false }]);
});

test("the end is sent at once, with what waits", () => {
  const { batches, sent, passTime, follow } = begun();
  follow();
  batches.add("one");
  batches.add(null);
  assert.deepEqual(sent, [{ candidates: ["one"], isComplete: true }]);
  assert.ok(batches.isComplete);
  passTime();
  // The end mark may be repeated; a candidate may not.
  assert.deepEqual(
    sent.flatMap(({ candidates }) => candidates),
    ["one"],
  );
});

test("an end that came before the answer is sent after it", () => {
  const { batches, sent, follow } = begun();
  batches.add(null);
  follow();
  assert.deepEqual(sent, [{ candidates: [], isComplete: true }]);
});

test("an empty candidate is a mark of the browser's, and is not sent", () => {
  const { batches, sent, waiting, follow } = begun();
  follow();
  batches.add("");
  assert.equal(waiting.length, 0);
  assert.deepEqual(sent, []);
});

test("a fragment has the credentials and the first section of the description", () => {
  const lines = sdpFragment(SDP, ["candidate:1 1 udp 1 10.0.0.1 9 typ host"], false).split("\r\n");
  assert.deepEqual(lines, [
    "a=ice-ufrag:abcd",
    "a=ice-pwd:secret",
    "m=video 9 UDP/TLS/RTP/SAVPF 96",
    "a=mid:0",
    "a=candidate:1 1 udp 1 10.0.0.1 9 typ host",
    "",
  ]);
  assert.ok(sdpFragment(SDP, [], true).endsWith("a=mid:0\r\na=end-of-candidates\r\n"));
});

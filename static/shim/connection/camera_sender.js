/**
 * Sends the camera by one peer connection, with as many bits as its size is worth.
 */

import { getTrackSettings } from "../base/natives.js";
import { bitrateCap } from "../picture/sizes.js";

export class CameraSender {
  /** @type {RTCRtpSender | null} */
  #sender = null;
  /** @type {Promise<void>} */
  #sending = Promise.resolve();
  #isEnded;

  /** @param {() => boolean} isEnded whether the connection is closed */
  constructor(isEnded) {
    this.#isEnded = isEnded;
  }

  /**
   * @param {RTCPeerConnection} peer
   * @param {MediaStreamTrack} camera
   * @returns {Promise<RTCRtpTransceiver>} whose receiver is to have the filtered picture
   */
  async begin(peer, camera) {
    camera.contentHint = "motion";
    const transceiver = peer.addTransceiver(camera, {
      direction: "sendrecv",
      sendEncodings: [{ maxBitrate: bitrateCap(getTrackSettings.call(camera)) }],
    });
    this.#sender = transceiver.sender;
    if ("jitterBufferTarget" in transceiver.receiver) transceiver.receiver.jitterBufferTarget = 0;
    // The filter sees and returns as many pixels as the camera has. The encoder lowers the quality first.
    const parameters = transceiver.sender.getParameters();
    Object.assign(parameters, { degradationPreference: "maintain-resolution" });
    await transceiver.sender.setParameters(parameters).catch(() => {});
    return transceiver;
  }

  /** @param {MediaStreamTrack} camera to be sent from now on, or sent already in another size */
  async send(camera) {
    // One after another: what is asked for last is what is sent.
    this.#sending = this.#sending.catch(() => {}).then(() => this.#sendNow(camera));
    return this.#sending;
  }

  /** @param {MediaStreamTrack} camera */
  async #sendNow(camera) {
    const sender = this.#sender;
    if (sender === null || this.#isEnded()) return;
    camera.contentHint = "motion";
    if (sender.track !== camera) await sender.replaceTrack(camera);
    const parameters = sender.getParameters();
    const maxBitrate = bitrateCap(getTrackSettings.call(camera));
    if (parameters.encodings?.[0]?.maxBitrate === maxBitrate) return;
    for (const encoding of parameters.encodings ?? []) encoding.maxBitrate = maxBitrate;
    await sender.setParameters(parameters);
  }
}

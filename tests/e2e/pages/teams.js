// @ts-check
"use strict";
// Calls the camera as Microsoft Teams is known to: what a camera can do is read first, the call has a clone of
// the preview, sizes are asked for faster than they are answered, the background is drawn by the site, and a
// camera that is switched off is stopped and opened again.

(() => {
  const { mediaDevices } = navigator;
  const local = new RTCPeerConnection();
  const remote = new RTCPeerConnection();
  local.onicecandidate = ({ candidate }) => remote.addIceCandidate(candidate ?? undefined);
  remote.onicecandidate = ({ candidate }) => local.addIceCandidate(candidate ?? undefined);
  const { sender } = local.addTransceiver("video", { direction: "sendonly" });
  /** @type {MediaStreamTrack | null} */
  let camera = null;

  const open = async () => {
    const devices = await mediaDevices.enumerateDevices();
    const [device] = devices.filter((one) => one.kind === "videoinput" && one.deviceId);
    const { width, frameRate } = /** @type {InputDeviceInfo} */ (device).getCapabilities();
    const most = { width: { max: width?.max, ideal: 640 }, frameRate: { max: frameRate?.max, ideal: 15 } };
    const video = { deviceId: { exact: device.deviceId }, ...most };
    const stream = await mediaDevices.getUserMedia({ video });
    return stream.getVideoTracks()[0];
  };

  /** What the site makes of the picture: the same, through its own hands. @param {MediaStreamTrack} track */
  const blurred = (track) => {
    const { MediaStreamTrackProcessor, MediaStreamTrackGenerator } = /** @type {any} */ (window);
    const generator = new MediaStreamTrackGenerator({ kind: "video" });
    new MediaStreamTrackProcessor({ track }).readable.pipeTo(generator.writable).catch(() => {});
    return generator;
  };

  const teams = {
    /** What the other side sees. */
    seen: new MediaStream(),

    async join() {
      const preview = await open();
      camera = preview.clone();
      preview.stop();
      remote.ontrack = ({ track }) => teams.seen.addTrack(track);
      await sender.replaceTrack(blurred(camera));
      // A plain picture needs so few bits that Chromium never learns what the loopback carries, and may shrink it.
      const degradationPreference = /** @type {const} */ ("maintain-resolution");
      await sender.setParameters({ ...sender.getParameters(), degradationPreference });
      await local.setLocalDescription();
      await remote.setRemoteDescription(/** @type {RTCSessionDescription} */ (local.localDescription));
      await remote.setLocalDescription();
      await local.setRemoteDescription(/** @type {RTCSessionDescription} */ (remote.localDescription));
    },

    /** @param {[number, number][]} sizes @returns {Promise<unknown[]>} */
    async layOut(...sizes) {
      const asked = sizes.map(([width, height]) =>
        /** @type {MediaStreamTrack} */ (camera)
          .applyConstraints({ width: { exact: width }, height: { exact: height } })
          .then(
            () => "done",
            ({ name, constraint }) => `${name}: ${constraint}`,
          ),
      );
      const outcomes = await Promise.all(asked);
      const { width, height } = /** @type {MediaStreamTrack} */ (camera).getSettings();
      return [outcomes, [width, height]];
    },

    async switchOff() {
      await sender.replaceTrack(null);
      camera?.stop();
    },

    async switchOn() {
      camera = await open();
      await sender.replaceTrack(blurred(camera));
    },

    leave() {
      camera?.stop();
      local.close();
      remote.close();
    },
  };
  Object.assign(window, { teams });
})();

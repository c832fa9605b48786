// @ts-check
"use strict";
// Calls the camera as Google Meet is known to: several calls at once, devices by `exact` ids of the list, other
// sizes in mid-call, the camera muted by `enabled`, a screen told from a camera by its `displaySurface`.

(() => {
  const { mediaDevices } = navigator;
  const local = new RTCPeerConnection();
  const remote = new RTCPeerConnection();
  local.onicecandidate = ({ candidate }) => remote.addIceCandidate(candidate ?? undefined);
  remote.onicecandidate = ({ candidate }) => local.addIceCandidate(candidate ?? undefined);
  /** @type {RTCRtpSender} */
  let sender;
  /** @type {MediaStreamTrack} */
  let camera;

  /** @param {string} label */
  const open = async (label) => {
    const devices = await mediaDevices.enumerateDevices();
    const device = devices.find((one) => one.kind === "videoinput" && (!label || one.label === label));
    const size = { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30, max: 60 } };
    return mediaDevices.getUserMedia({ video: { deviceId: { exact: device?.deviceId }, ...size } });
  };

  const meet = {
    /** What the other side sees. */
    seen: new MediaStream(),
    /** @type {unknown[]} */
    kinds: [],

    async join() {
      const [stream, sound, both] = await Promise.all([
        open(""),
        mediaDevices.getUserMedia({ audio: true }),
        mediaDevices.getUserMedia({ video: true, audio: true }),
      ]);
      for (const track of [...both.getTracks(), ...sound.getTracks()]) track.stop();
      [camera] = stream.getVideoTracks();
      sender = local.addTransceiver(camera, { direction: "sendonly", streams: [stream] }).sender;
      remote.ontrack = ({ track }) => meet.seen.addTrack(track);
      await local.setLocalDescription();
      await remote.setRemoteDescription(/** @type {RTCSessionDescription} */ (local.localDescription));
      await remote.setLocalDescription();
      await local.setRemoteDescription(/** @type {RTCSessionDescription} */ (remote.localDescription));
    },

    /** @returns {Promise<boolean>} whether the camera is one of the list, as the site makes sure */
    async isListed() {
      const { deviceId, groupId } = camera.getSettings();
      const devices = await mediaDevices.enumerateDevices();
      return devices.some(
        (one) => one.deviceId === deviceId && one.groupId === groupId && one.label === camera.label,
      );
    },

    /** @param {number} width @param {number} height */
    async resize(width, height) {
      const size = { width: { exact: width }, height: { exact: height } };
      await camera.applyConstraints({ ...size, frameRate: { max: 15 } });
      const settings = camera.getSettings();
      return [settings.width, settings.height];
    },

    /** @param {boolean} isMuted */
    mute(isMuted) {
      camera.enabled = !isMuted;
    },

    /** @param {string} label */
    async switchTo(label) {
      const before = camera;
      [camera] = (await open(label)).getVideoTracks();
      await sender.replaceTrack(camera);
      before.stop();
    },

    async present() {
      const screen = await mediaDevices.getDisplayMedia({ video: true });
      const [track] = screen.getVideoTracks();
      meet.kinds = [camera, track].map((one) => "displaySurface" in one.getSettings());
      await sender.replaceTrack(track);
      track.stop();
      await sender.replaceTrack(camera);
    },

    leave() {
      camera.stop();
      local.close();
      remote.close();
    },
  };
  Object.assign(window, { meet });

  const button = document.createElement("button");
  button.onclick = () => meet.present();
  document.documentElement.append(button);
})();

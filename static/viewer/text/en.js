/** What the page for viewers says, in English. */

import shared from "../../shared/text/en.js";

/** @type {import('../../shared/language.js').Dictionary} */
export default {
  ...shared,

  "watch.picture": "Live picture",
  "watch.connecting": "Connecting…",
  "watch.nobody": "Nobody is live here now. The picture comes as soon as somebody is.",
  "watch.full": "All places are taken. The page tries again.",
  "watch.away": "There is no picture now: {reason}. The page tries again.",
  "watch.unreachable": "The server does not answer. The page tries again.",
  "watch.no-way": "The network lets no picture through. A VPN or another network may help.",
  "watch.lost": "The connection is lost. The page connects again.",
  "watch.refused": "The server refuses: {reason}",
  "watch.needs-token": "This picture is not for everybody.",
  "watch.token": "Token",
  "watch.use-token": "Watch",
  "watch.unmute": "Turn the sound on",
  "watch.mute": "Turn the sound off",
  "watch.volume": "Volume",
  "watch.full-screen": "Full screen",
  "watch.delay": "{ms} ms from the server",
};

/** What the page for viewers says, in Japanese. */

import shared from "../../shared/text/ja.js";

/** @type {import('../../shared/language.js').Dictionary} */
export default {
  ...shared,

  "watch.picture": "ライブ映像",
  "watch.connecting": "接続しています…",
  "watch.nobody": "いまは配信されていません。配信が始まると映像が表示されます。",
  "watch.full": "満席です。しばらくしてからもう一度接続します。",
  "watch.away": "いまは映像を見られません（{reason}）。もう一度接続します。",
  "watch.unreachable": "サーバーが応答しません。もう一度接続します。",
  "watch.no-way": "このネットワークでは映像を受信できません。VPN や別のネットワークをお試しください。",
  "watch.lost": "接続が切れました。もう一度接続します。",
  "watch.refused": "サーバーに拒否されました：{reason}",
  "watch.needs-token": "この映像を見るには許可が必要です。",
  "watch.token": "トークン",
  "watch.use-token": "見る",
  "watch.unmute": "音声をオンにする",
  "watch.mute": "音声をオフにする",
  "watch.volume": "音量",
  "watch.full-screen": "全画面",
  "watch.delay": "サーバーから {ms} ミリ秒",
};

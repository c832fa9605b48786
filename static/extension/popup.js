/**
 * The toolbar's popup: the switch for the tab's site, the filter, and the latency of its picture.
 */
import { PICTURE_WORDS, wordOf } from "./call_state.js";
import { sayFault, sayTrouble, titleOf, whyNot } from "./filter_words.js";
import { servedFilters } from "./server.js";
import { readSettings, saveSettings } from "./settings.js";
import { LatencyCounter, sum_ms } from "./shared/latency.js";
import { hasFailed, runsWell } from "./shared/trouble.js";
import { givenSites, isAllowed, isOnAt, patternOf, siteOf } from "./sites.js";
import { fillWords, say } from "./words.js";

/** @import { P2PCameraStats, P2PCameraTrouble } from "../p2pcamera.js" */

/** @typedef {{code: string, message: string, status: number, trouble?: P2PCameraTrouble | null}} Fault */

/**
 * What a page's frame says of its newest connection: `entries` of the browser's report, `stats` as the server
 * sent them last, `ping_ms` to the server and back. `refused` is the last choice where the server refused it,
 * `covered` a private one for which the picture is covered since.
 * @typedef {object} Report
 * @property {'idle' | 'connecting' | 'live'} state
 * @property {Fault | null} fault
 * @property {{filter: string | string[], fault: Fault} | null} [refused]
 * @property {string | string[] | null} [covered]
 * @property {string[]} [filters]
 * @property {P2PCameraStats | null} [stats]
 * @property {number} [ping_ms]
 * @property {any[]} [entries]
 */

const LOOK_MS = 1_000;
const FIRST_LOOK_MS = 150;
/** A page that is busy answers late: what it said last counts for so many looks. */
const PATIENT_LOOKS = 4;
const SHOWN_LATENCIES = 60;
/** So long a choice may take until an open call has followed it. */
const FOLLOWS_MS = 4_000;
/** The state that tells most about a tab comes first. */
const STATES = ["live", "connecting", "idle"];

const page = {
  setUp: element("set-up"),
  site: element("site"),
  host: element("host"),
  isOn: /** @type {HTMLInputElement} */ (element("is-on")),
  filter: /** @type {HTMLSelectElement} */ (element("filter")),
  refused: element("refused"),
  measured: element("measured"),
  latency: element("latency"),
  rate: element("rate"),
  plot: /** @type {SVGPolylineElement} */ (document.querySelector("#plot polyline")),
  message: element("message"),
  reload: element("reload"),
};
const latency = new LatencyCounter();
/** @type {number[]} */
const latencies_ms = [];
/** Answers of the tab's frames to the last question. @type {Report[]} */
let reports = [];
/** Whether the page has our scripts. */
let isHeard = false;
/** Why the server gives no filters. @type {string} */
let serverFault = "";
/** What is chosen for calls: shown as such, unless an open call says otherwise. */
let chosen = "";
let choseAt_ms = -Infinity;

/** @param {string} id @returns {HTMLElement} */
function element(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

/**
 * @returns {Promise<chrome.tabs.Tab>} the tab for which the popup was opened; a popup in a tab of its own
 *   names it
 */
async function tabOfPopup() {
  const named = new URLSearchParams(location.search).get("tab");
  if (named) return chrome.tabs.get(Number(named));
  const [tab] = await chrome.tabs.query({ active: true, currentWindow: true });
  return tab;
}

/** @param {string} site @param {boolean} isWanted */
async function turn(site, isWanted) {
  const { sites, off } = await readSettings();
  const others = off.filter((one) => one !== site);
  const isNew = isWanted && !sites.includes(site) && !givenSites().includes(site);
  const needsLeave = isWanted && !(await isAllowed(site));
  // First, since the browser's question may close the popup. The service worker does the rest.
  await saveSettings({
    off: isWanted ? others : [...others, site],
    ...(isNew && { sites: [...sites, site] }),
  });
  if (needsLeave && !(await chrome.permissions.request({ origins: [patternOf(site)] }))) {
    await saveSettings({ sites: sites.filter((one) => one !== site) });
  }
}

/** @param {string} site */
async function showSite(site) {
  const settings = await readSettings();
  page.host.textContent = new URL(site).host;
  // The browser's question may have closed the popup before the answer.
  page.isOn.checked = isOnAt(settings, site) && (await isAllowed(site));
  page.filter.disabled = !page.isOn.checked || page.filter.options.length === 0;
}

async function fillFilters() {
  const { filter } = await readSettings();
  try {
    const served = await servedFilters();
    chosen = filter ?? served.default;
    listFilters(served.filters);
    const failed = served.filters.find((one) => one.name === chosen && hasFailed(one));
    if (failed) showRefused(say("cannotRun", titleOf(failed), whyNot(failed)));
    serverFault = served.filters.length > 0 ? "" : say("noWorker");
  } catch (fault) {
    serverFault = sayFault(/** @type {any} */ (fault));
  }
}

/** Lists what cannot run, or does not keep up, apart. @param {import("./server.js").ServedFilter[]} filters */
function listFilters(filters) {
  const optionOf = (/** @type {import("./server.js").ServedFilter} */ filter) => {
    const why = runsWell(filter) ? "" : whyNot(filter);
    const option = new Option(titleOf(filter), filter.name);
    option.disabled = hasFailed(filter);
    option.title = why;
    return option;
  };
  const apart = document.createElement("optgroup");
  apart.label = say("apart");
  apart.append(...filters.filter((one) => !runsWell(one)).map(optionOf));
  const well = filters.filter(runsWell).map(optionOf);
  page.filter.replaceChildren(...well, ...(apart.childElementCount > 0 ? [apart] : []));
  page.filter.value = chosen;
}

/** Takes the user's choice, unless the server says by now that it cannot run: then what was chosen stays. */
async function choose() {
  const name = page.filter.value;
  const served = await servedFilters().catch(() => null);
  const now = served?.filters.find((one) => one.name === name);
  if (served && now && hasFailed(now)) {
    listFilters(served.filters);
    const title = titleOf(served.filters.find((one) => one.name === chosen) ?? { name: chosen, title: "" });
    return showRefused(`${say("cannotRun", titleOf(now), whyNot(now))} ${say("stillOn", title)}`);
  }
  showRefused("");
  chosen = name;
  choseAt_ms = performance.now();
  await saveSettings({ filter: name });
}

/** @param {string} words empty: nothing was refused */
function showRefused(words) {
  page.refused.textContent = words;
  page.refused.hidden = words === "";
}

/** Shows what an open call has, where it is not what was chosen. @param {Report} report */
async function followCall({ stats, refused, covered }) {
  const on = stats?.filters.join() ?? "";
  if (performance.now() - choseAt_ms < FOLLOWS_MS && !refused) return;
  if (covered) {
    const why = refused ? sayFaultOf(refused.fault) : "";
    return showRefused(`${why} ${say("covered")}`.trim());
  }
  if (on === chosen || on === "" || ![...page.filter.options].some(({ value }) => value === on)) return;
  if (refused) {
    showRefused(`${sayFaultOf(refused.fault)} ${say("stillOn", titleOf({ name: on, title: "" }))}`);
  }
  chosen = page.filter.value = on;
  // Other calls must not get what this one could not have. They get what was chosen since.
  if (refused && (await readSettings()).filter === refused.filter) await saveSettings({ filter: on });
}

/** @param {Fault} fault @returns {string} */
function sayFaultOf(fault) {
  return fault.trouble ? sayTrouble(fault.trouble) : sayFault(fault);
}

/** Asks every frame of the tab once a second, and shows the answer that tells most. @param {number} tab */
function watch(tab) {
  const port = chrome.tabs.connect(tab, { name: "watch" });
  let isOpen = true;
  port.onMessage.addListener((report) => {
    isHeard = true;
    reports.push(report);
  });
  port.onDisconnect.addListener(() => {
    // Chrome logs an error that nobody reads. A page without our scripts is none.
    void chrome.runtime.lastError;
    isOpen = false;
    clearInterval(asking);
    isHeard = false;
    showReport(undefined);
    // A page that is loaded again has new frames.
    setTimeout(() => watch(tab), LOOK_MS);
  });
  let silentLooks = 0;
  const ask = () => {
    silentLooks = reports.length > 0 ? 0 : silentLooks + 1;
    const isSettled = silentLooks === 0 || silentLooks > PATIENT_LOOKS;
    if (isSettled) {
      showReport(reports.sort((one, other) => STATES.indexOf(one.state) - STATES.indexOf(other.state))[0]);
    }
    reports = [];
    if (isOpen) port.postMessage("report");
  };
  const asking = setInterval(ask, LOOK_MS);
  setTimeout(ask, FIRST_LOOK_MS);
  port.postMessage("report");
}

/** @param {Report | undefined} report undefined where no frame has our scripts */
function showReport(report) {
  const isLive = report?.state === "live";
  const isOn = page.isOn.checked;
  page.measured.hidden = !isLive;
  if (isLive) {
    showLatency(report);
    followCall(report);
  }
  page.reload.hidden = isOn ? isHeard : !isLive;
  page.message.textContent = wordsFor(report, isOn);
}

/** @param {Report | undefined} report @param {boolean} isOn */
function wordsFor(report, isOn) {
  if (!isOn) return say(report?.state === "live" ? "offAfterReload" : "isOff");
  if (serverFault) return serverFault;
  if (!isHeard) return say("onAfterReload");
  if (report?.covered) return say("covered");
  const { trouble, state } = report?.stats ?? {};
  if (trouble && state !== "live") return `${sayTrouble(trouble)} ${say(PICTURE_WORDS[state ?? "card"])}`;
  if (report?.fault) return sayFaultOf(report.fault);
  return say(wordOf(report, performance.now() - choseAt_ms < FOLLOWS_MS ? chosen : ""));
}

/** @param {Report} report */
function showLatency(report) {
  const { entries = [], ping_ms = Number.NaN, stats } = report;
  const value_ms = sum_ms(latency.take(entries, ping_ms, stats?.latency_ms ?? {}));
  page.latency.textContent = value_ms === null ? "–" : `${Math.round(value_ms)} ms`;
  const rate = stats?.fps_out;
  page.rate.textContent = rate === undefined ? "–" : String(Math.round(rate));
  if (value_ms !== null) latencies_ms.push(value_ms);
  latencies_ms.splice(0, latencies_ms.length - SHOWN_LATENCIES);
  const highest_ms = Math.max(...latencies_ms, 1);
  const points = latencies_ms.map((one_ms, place) => {
    const x = 100 - (latencies_ms.length - 1 - place) * (100 / (SHOWN_LATENCIES - 1));
    return `${x.toFixed(1)},${(30 - (28 * one_ms) / highest_ms).toFixed(1)}`;
  });
  page.plot.setAttribute("points", points.join(" "));
}

async function begin() {
  fillWords();
  for (const id of ["options", "set-up-now"]) {
    element(id).addEventListener("click", () => {
      chrome.runtime.openOptionsPage();
      close();
    });
  }
  const { server } = await readSettings();
  page.setUp.hidden = server !== "";
  if (server === "") return;
  const tab = await tabOfPopup();
  const site = siteOf(tab?.url);
  if (site === null || tab.id === undefined) {
    page.message.textContent = say("noSite");
    return;
  }
  const tabId = tab.id;
  page.isOn.addEventListener("change", async () => {
    await turn(site, page.isOn.checked);
    await showSite(site);
  });
  page.filter.addEventListener("change", choose);
  page.reload.addEventListener("click", () => chrome.tabs.reload(tabId));
  await showSite(site);
  page.site.hidden = false;
  await fillFilters();
  await showSite(site);
  watch(tabId);
}

begin();

/**
 * The options page: server and token, filter and its parameters, what an outage shows, and the sites.
 *
 * Every change but that of the server is saved at once, and open calls follow it.
 */
import { descriptionOf, language, sayFault, titleOf, whyNot } from "./filter_words.js";
import { servedFilters } from "./server.js";
import { readSettings, saveSettings, saveToken, serverFromText, USUAL_SERVER } from "./settings.js";
import { givenSites, patternOf, siteOf } from "./sites.js";
import { Parameters } from "./shared/parameters.js";
import { hasFailed, runsWell } from "./shared/trouble.js";
import { fillWords, say } from "./words.js";

/** @typedef {import("./server.js").ServedFilter} ServedFilter */

const page = {
  serverForm: /** @type {HTMLFormElement} */ (element("server-form")),
  server: /** @type {HTMLInputElement} */ (element("server")),
  token: /** @type {HTMLInputElement} */ (element("token")),
  forgetToken: element("forget-token"),
  serverMessage: element("server-message"),
  noFilters: element("no-filters"),
  filterMessage: element("filter-message"),
  filters: element("filters"),
  apart: element("apart"),
  ill: element("filters-ill"),
  reset: element("reset"),
  sites: element("sites"),
  siteForm: /** @type {HTMLFormElement} */ (element("site-form")),
  newSite: /** @type {HTMLInputElement} */ (element("new-site")),
  siteMessage: element("site-message"),
};
const parameters = new Parameters(element("parameters"), language, () => saveParameters());
/** @type {ServedFilter | null} */
let shownFilter = null;

/** @param {string} id @returns {HTMLElement} */
function element(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

// --- server -------------------------------------------------------------------------------------------------

async function connect() {
  const server = serverFromText(page.server.value.trim());
  if (server === null) return sayOfServer("bad", say("noAddress"));
  // First of all, since the browser asks the user only in answer to a click.
  const isAllowed = await chrome.permissions.request({ origins: [patternOf(new URL(server).origin)] });
  if (!isAllowed) return sayOfServer("bad", say("serverNotAllowed"));
  if (page.token.value) await saveToken(page.token.value);
  await saveSettings({ server });
  page.server.value = server;
  page.token.value = "";
  await showServer();
}

async function showServer() {
  const { server } = await readSettings();
  if (server === "") return;
  const { hasToken } = await chrome.runtime.sendMessage({ type: "token" });
  page.token.placeholder = hasToken ? "••••••••" : "";
  page.forgetToken.hidden = !hasToken;
  sayOfServer("wait", say("connecting"));
  try {
    const served = await servedFilters();
    const workers = Math.max(0, ...served.filters.map((one) => one.workers));
    if (workers === 0) sayOfServer("wait", say("noWorker"));
    else sayOfServer("good", say("connected", String(served.filters.length)));
    await showFilters(served);
  } catch (fault) {
    sayOfServer("bad", sayFault(/** @type {any} */ (fault)));
  }
}

/** @param {'good' | 'wait' | 'bad'} kind @param {string} words */
function sayOfServer(kind, words) {
  page.serverMessage.dataset.kind = kind;
  page.serverMessage.textContent = words;
}

// --- filter -------------------------------------------------------------------------------------------------

/** @param {import("./server.js").Served} served */
async function showFilters(served) {
  const chosen = await listFilters(served);
  await showParameters(served.filters.find(({ name }) => name === chosen) ?? null);
}

/** @param {import("./server.js").Served} served @returns {Promise<string>} the chosen one's name */
async function listFilters(served) {
  const { filter } = await readSettings();
  const chosen = filter ?? served.default;
  page.noFilters.hidden = served.filters.length > 0;
  const options = (/** @type {boolean} */ isWell) =>
    served.filters
      .filter((one) => runsWell(one) === isWell)
      .map((one) => filterOption(one, one.name === chosen));
  page.filters.replaceChildren(...options(true));
  page.ill.replaceChildren(...options(false));
  page.apart.hidden = page.ill.childElementCount === 0;
  const failed = served.filters.find((one) => one.name === chosen && hasFailed(one));
  page.filterMessage.textContent = failed ? say("cannotRun", titleOf(failed), whyNot(failed)) : "";
  return chosen;
}

/** Takes the user's choice, unless the server says by now that it cannot run. @param {ServedFilter} filter */
async function choose(filter) {
  const served = await servedFilters().catch(() => null);
  const now = served?.filters.find(({ name }) => name === filter.name) ?? filter;
  if (served && hasFailed(now)) {
    // What was chosen stays, and is shown so.
    const chosen = await listFilters(served);
    const title = titleOf(served.filters.find(({ name }) => name === chosen) ?? { name: chosen, title: "" });
    page.filterMessage.textContent = `${say("cannotRun", titleOf(now), whyNot(now))} ${say("stillOn", title)}`;
    return;
  }
  page.filterMessage.textContent = "";
  await saveSettings({ filter: filter.name });
  await showParameters(now);
}

/** @param {ServedFilter} filter @param {boolean} isChosen */
function filterOption(filter, isChosen) {
  const input = document.createElement("input");
  Object.assign(input, { type: "radio", name: "filter", value: filter.name, checked: isChosen });
  input.disabled = hasFailed(filter);
  input.addEventListener("change", () => choose(filter));
  const title = document.createElement("b");
  title.textContent = titleOf(filter);
  const description = document.createElement("small");
  description.textContent = descriptionOf(filter);
  const why = document.createElement("small");
  why.className = "why";
  why.textContent = whyNot(filter);
  const option = document.createElement("label");
  option.className = "option";
  option.append(input, title, description, ...(why.textContent ? [why] : []));
  return option;
}

/** @param {ServedFilter | null} filter */
async function showParameters(filter) {
  shownFilter = filter;
  const { params } = await readSettings();
  const name = filter?.name ?? "";
  parameters.show(name, filter?.schema ?? {}, params[name]);
  page.reset.hidden = parameters.isEmpty;
}

async function saveParameters() {
  if (shownFilter === null) return;
  const { params } = await readSettings();
  // The filter, too: the server's default becomes the user's choice.
  await saveSettings({
    filter: shownFilter.name,
    params: { ...params, [shownFilter.name]: parameters.values },
  });
}

async function resetParameters() {
  if (shownFilter === null) return;
  const { [shownFilter.name]: _, ...params } = (await readSettings()).params;
  await saveSettings({ params });
  await showParameters(shownFilter);
}

// --- sites --------------------------------------------------------------------------------------------------

async function showSites() {
  const { sites, off } = await readSettings();
  const rows = [...givenSites(), ...sites].map((site) =>
    siteRow(site, !off.includes(site), sites.includes(site)),
  );
  page.sites.replaceChildren(...rows);
}

/** @param {string} site @param {boolean} isOn @param {boolean} isOwn whether the user added it */
function siteRow(site, isOn, isOwn) {
  const row = document.createElement("li");
  const label = document.createElement("label");
  const name = document.createElement("span");
  name.textContent = site.replace(/^https:\/\//, "");
  const input = document.createElement("input");
  Object.assign(input, { type: "checkbox", checked: isOn });
  input.setAttribute("role", "switch");
  input.addEventListener("change", async () => {
    const { off } = await readSettings();
    const others = off.filter((one) => one !== site);
    await saveSettings({ off: input.checked ? others : [...others, site] });
  });
  label.append(name, input);
  row.append(label);
  if (isOwn) {
    const remove = document.createElement("button");
    Object.assign(remove, { type: "button", className: "quiet", textContent: say("remove") });
    remove.setAttribute("aria-label", say("removeSite", name.textContent));
    remove.addEventListener("click", () => removeSite(site));
    row.append(remove);
  }
  return row;
}

async function addSite() {
  const site = siteOf(serverFromText(page.newSite.value.trim()) ?? "");
  if (site === null) return saySite(say("noAddress"));
  const { sites, off } = await readSettings();
  if (givenSites().includes(site) || sites.includes(site)) return saySite(say("siteKnown"));
  if (!(await chrome.permissions.request({ origins: [patternOf(site)] }))) {
    return saySite(say("siteNotAllowed"));
  }
  await saveSettings({ sites: [...sites, site], off: off.filter((one) => one !== site) });
  page.newSite.value = "";
  saySite(say("siteAdded"));
}

/** @param {string} words */
function saySite(words) {
  page.siteMessage.textContent = words;
}

/** @param {string} site */
async function removeSite(site) {
  const { server, sites, off } = await readSettings();
  await saveSettings({ sites: sites.filter((one) => one !== site), off: off.filter((one) => one !== site) });
  // The server may have the same address, and still needs the permission.
  if (siteOf(server) !== site) {
    await chrome.permissions.remove({ origins: [patternOf(site)] }).catch(() => {});
  }
}

// --- the page -----------------------------------------------------------------------------------------------

async function begin() {
  fillWords();
  const { server, outage } = await readSettings();
  page.server.value = server || USUAL_SERVER;
  page.serverForm.addEventListener("submit", (event) => {
    event.preventDefault();
    connect();
  });
  page.forgetToken.addEventListener("click", async () => {
    await saveToken("");
    await showServer();
  });
  page.reset.addEventListener("click", resetParameters);
  for (const input of /** @type {NodeListOf<HTMLInputElement>} */ (
    document.querySelectorAll("[name=outage]")
  )) {
    input.checked = input.value === outage;
    input.addEventListener("change", () =>
      saveSettings({ outage: input.value === "open" ? "open" : "closed" }),
    );
  }
  page.siteForm.addEventListener("submit", (event) => {
    event.preventDefault();
    addSite();
  });
  chrome.storage.onChanged.addListener((changes) => {
    if (changes.sites || changes.off) showSites();
  });
  await showSites();
  await showServer();
}

begin();

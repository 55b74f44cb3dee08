// The page: lists that follow the registry. This file has the registrants and all that listens; groups.js has the groups,
// parts.js what both need.
//
// Two sources feed it. `GET /api/v1/registrants` gives a page of the list and is what counts; the events of
// `GET /api/v1/changes` say at once what became of the rows that are on screen, and when the list must be read again.
// Nothing is drawn when an event arrives: events gather, and the next animation frame draws what they amount to.

import { closeGroup, groupsMayHaveChanged, showGroups } from "./groups.js";
import { ask, byId, chips, duration, node, numbers, setText } from "./parts.js";

const PAGE_COUNT = 50;
/** The list is read again at most this often. */
const READ_INTERVAL_MS = 500;
/** A read may take at most this share of the time, so that an expensive search does not occupy the daemon. */
const READ_SHARE = 4;
const STATUS_INTERVAL_MS = 2000;
const ANNOUNCE_INTERVAL_MS = 3000;
/** Changed registrants that wait to be drawn (a hidden page draws nothing). Beyond, the whole is read again. */
const WAITING_MAX = 2000;
/** Below this share of its lifetime a registrant counts as about to end. */
const ENDING_SHARE = 0.1;
const TOKEN_KEY = "wayhouse-admin-token";

const state = {
  query: "",
  page: 0,
  rows: [],
  hasMore: false,
  isRead: false,
  failure: null,
  openId: null,
  /** Rows that were removed or ran out while they were on screen: id → "removed" or "expired". */
  gone: new Map(),
  status: null,
  isLive: false,
};

/** The elements of the rows on screen: id → { item, row, detail, … }. */
const elements = new Map();

// ---------------------------------------------------------------- asking

/** What was typed, as parameters: `name=value` filters by an attribute, everything else is text to look for. */
function parameters() {
  const parameters = new URLSearchParams();
  const text = [];
  for (const word of state.query.split(/\s+/)) {
    const parts = /^([a-z][\w-]*)=(.+)$/i.exec(word);
    if (parts && !["text", "page", "count"].includes(parts[1])) parameters.append(parts[1], parts[2]);
    else if (word) text.push(word);
  }
  if (text.length) parameters.set("text", text.join(" "));
  parameters.set("page", state.page);
  parameters.set("count", PAGE_COUNT);
  return parameters;
}

const reading = { timer: null, abort: null, endedAt: -Infinity, pause: READ_INTERVAL_MS };

/** Reads the list again: at once when the person asked for something else, otherwise as soon as the pace allows. */
function readSoon({ now = false } = {}) {
  if (now) {
    clearTimeout(reading.timer);
    reading.timer = null;
    reading.abort?.abort();
    reading.abort = null;
    read();
  } else if (reading.timer === null) {
    const wait = Math.max(0, reading.endedAt + reading.pause - performance.now());
    reading.timer = setTimeout(() => {
      reading.timer = null;
      if (reading.abort) readSoon();
      else read();
    }, reading.abort ? reading.pause : wait);
  }
}

async function read() {
  const abort = (reading.abort = new AbortController());
  const startedAt = performance.now();
  try {
    const page = await ask(`/api/v1/registrants?${parameters()}`, { signal: abort.signal });
    if (page.registrants.length === 0 && state.page > 0) {
      state.page -= 1;
      reading.abort = null;
      readSoon({ now: true });
      return;
    }
    takePage(page);
  } catch (error) {
    if (error.name === "AbortError") return;
    // What is on screen is better than nothing, unless the question itself was wrong.
    if (!state.isRead || error.status === 400) state.failure = error.message;
  }
  reading.abort = null;
  reading.endedAt = performance.now();
  reading.pause = Math.max(READ_INTERVAL_MS, (reading.endedAt - startedAt) * READ_SHARE);
  drawSoon();
  if (performance.now() - statusReading.endedAt > READ_INTERVAL_MS) readStatus();
}

function takePage(page) {
  const receivedAt = performance.now();
  const known = new Map(state.rows.map((row) => [row.id, row]));
  const rows = page.registrants.map((registrant) => ({
    ...registrant,
    receivedAt,
    isFresh: state.isRead && reading.hasFollowed && !known.has(registrant.id) && announced.has(registrant.id),
  }));
  const present = new Set(rows.map((row) => row.id));
  // A row whose detail somebody reads stays until it is closed, struck out.
  const open = state.openId && !present.has(state.openId) && state.gone.has(state.openId) && known.get(state.openId);
  if (open) rows.splice(Math.min(state.rows.indexOf(open), rows.length), 0, open);
  else if (state.openId && !present.has(state.openId)) state.openId = null;
  for (const id of state.gone.keys()) if (id !== state.openId || present.has(id)) state.gone.delete(id);
  announced.clear();
  Object.assign(state, { rows, hasMore: page.has_more, isRead: true, failure: null });
  reading.hasFollowed = true;
}

const statusReading = { endedAt: -Infinity, isUnderWay: false, last: null };

async function readStatus() {
  if (statusReading.isUnderWay) return;
  statusReading.isUnderWay = true;
  try {
    const status = await ask("/api/v1/status");
    const now = performance.now();
    const last = statusReading.last;
    // A rate over less than a second says little; a restarted daemon counts from zero.
    if (!last || now - last.at >= 900 || status.requests < last.requests) {
      if (last && status.requests >= last.requests) {
        statusReading.rate = ((status.requests - last.requests) * 1000) / (now - last.at);
      }
      statusReading.last = { at: now, requests: status.requests };
    }
    state.status = status;
  } catch {
    // The connection's state tells.
  }
  statusReading.endedAt = performance.now();
  statusReading.isUnderWay = false;
  drawSoon();
}

// ---------------------------------------------------------------- following

/** Changes that wait to be drawn: id → the last one. */
const waiting = new Map();
/** Registrants that were added since the last read, so that their rows can be pointed out. */
const announced = new Set();
const tally = { added: 0, changed: 0, removed: 0, expired: 0 };
const latest = { text: null, at: 0 };

const following = { source: null, delay: 1000 };

function follow() {
  const source = (following.source = new EventSource("/api/v1/changes"));
  source.addEventListener("open", () => {
    following.delay = 1000;
    setConnection("live");
    // Changes may have passed while nobody listened.
    readSoon();
    readStatus();
    groupsMayHaveChanged();
  });
  source.addEventListener("error", () => {
    setConnection("lost");
    // The browser comes back by itself, except after an answer that was not a stream.
    if (source.readyState === EventSource.CLOSED) {
      source.close();
      setTimeout(follow, following.delay);
      following.delay = Math.min(following.delay * 2, 30_000);
    }
  });
  source.addEventListener("resync", () => {
    readSoon();
    groupsMayHaveChanged();
  });
  for (const kind of ["added", "changed", "refreshed", "removed", "expired"]) {
    source.addEventListener(kind, (event) => takeChange(JSON.parse(event.data)));
  }
}

function takeChange(change) {
  // Any link may make a member: what is in the lists of groups is for the daemon to say.
  if (change.kind !== "refreshed") groupsMayHaveChanged();
  const earlier = waiting.get(change.registrant.id);
  // A new registrant that changes at once is new still, and a renewal does not make a change unseen.
  if (earlier?.kind === "added" || earlier?.kind === "changed") {
    if (change.kind === "changed" || change.kind === "refreshed") change.kind = earlier.kind;
  }
  change.receivedAt = performance.now();
  waiting.set(change.registrant.id, change);
  if (waiting.size > WAITING_MAX) {
    waiting.clear();
    readSoon();
  }
  drawSoon();
}

/** Applies the gathered changes to what is on screen. */
function applyChanges() {
  if (waiting.size === 0) return;
  const rows = new Map(state.rows.map((row) => [row.id, row]));
  let mustRead = false;
  for (const change of waiting.values()) {
    const { id } = change.registrant;
    const row = rows.get(id);
    switch (change.kind) {
      case "added":
        announced.add(id);
        mustRead = true;
        break;
      case "changed":
      case "refreshed":
        if (row) {
          Object.assign(row, change.registrant, { receivedAt: change.receivedAt, isFresh: change.kind === "changed" });
          state.gone.delete(id);
          if (id === state.openId && change.kind === "changed") readDetail(id);
        }
        // What changed may fit the search, or no longer.
        if (change.kind === "changed" && state.query) mustRead = true;
        break;
      default:
        if (row) state.gone.set(id, change.kind);
        mustRead = true;
    }
    if (change.kind !== "refreshed") {
      tally[change.kind] += 1;
      latest.name = change.registrant.endpoint_name;
      latest.kind = change.kind;
      latest.at = change.receivedAt;
    }
  }
  waiting.clear();
  if (mustRead) readSoon();
}

function setConnection(to) {
  state.isLive = to === "live";
  if (!state.isLive && !state.lostAt) state.lostAt = new Date();
  if (state.isLive) state.lostAt = null;
  byId("connection").dataset.state = to;
  byId("connection-text").textContent = state.isLive ? "Live" : "Reconnecting";
  const stale = byId("stale");
  stale.hidden = state.isLive || !state.isRead;
  if (!stale.hidden) stale.textContent = `Connection lost. This is how it was at ${state.lostAt.toLocaleTimeString()}.`;
}

/** Tells a screen reader what amounts to several changes, at a calm pace. */
function announce() {
  const parts = Object.entries(tally).filter(([, count]) => count > 0).map(([kind, count]) => `${count} ${kind}`);
  if (parts.length === 0) return;
  const total = state.status ? ` ${numbers.format(state.status.registrants)} registrants.` : "";
  byId("announcer").textContent = `${parts.join(", ")}.${total}`;
  for (const kind of Object.keys(tally)) tally[kind] = 0;
}

// ---------------------------------------------------------------- drawing

let isDrawing = false;

function drawSoon() {
  if (isDrawing) return;
  isDrawing = true;
  requestAnimationFrame(() => {
    isDrawing = false;
    applyChanges();
    draw();
  });
}

function draw() {
  drawFigures();
  const isEmpty = state.isRead && state.rows.length === 0;
  const isFirst = isEmpty && !state.query && !state.failure;
  byId("failure").hidden = !state.failure;
  byId("failure-text").textContent = state.failure ?? "";
  byId("board").hidden = state.rows.length === 0 || Boolean(state.failure);
  byId("nothing").hidden = !isEmpty || !state.query || Boolean(state.failure);
  byId("nothing-text").textContent = state.query;
  byId("first").hidden = !isFirst;
  if (isFirst) drawCommands();
  byId("pager").hidden = state.page === 0 && (!state.hasMore || isShort());
  byId("nothing-hint").hidden = !isShort();
  byId("page-number").textContent = `Page ${numbers.format(state.page + 1)}`;
  byId("previous").disabled = state.page === 0;
  byId("next").disabled = !state.hasMore || isShort();
  byId("range").textContent = range();
  drawList();
  drawTimes();
}

function range() {
  if (!state.isRead || state.rows.length === 0) return "";
  const first = state.page * PAGE_COUNT + 1;
  const last = first + state.rows.length - 1;
  if (isShort()) return `${numbers.format(last)} found in a part: too many to search all. Add a filter, such as d=kitchen.`;
  if (!state.hasMore && state.page === 0) return state.query ? `${numbers.format(last)} found` : "";
  const total = !state.query && state.status ? ` of ${numbers.format(Math.max(state.status.registrants, last))}` : "";
  return `${numbers.format(first)}–${numbers.format(last)}${total}`;
}

/** Whether a search ended early: the daemon reads only so much for one answer. */
function isShort() {
  return state.hasMore && state.rows.length < PAGE_COUNT;
}

function drawFigures() {
  const { status } = state;
  if (!status) return;
  byId("figure-registrants").textContent = numbers.format(status.registrants);
  byId("figure-observers").textContent = numbers.format(status.observers);
  const { rate } = statusReading;
  byId("figure-requests").textContent =
    rate === undefined ? "–" : numbers.format(rate < 9.95 ? Math.round(rate * 10) / 10 : Math.round(rate));
  byId("version").textContent = `wayhouse ${status.version}`;
}

function drawList() {
  const list = byId("list");
  const present = new Set(state.rows.map((row) => row.id));
  for (const [id, element] of elements) {
    if (present.has(id)) continue;
    const hadFocus = element.item.contains(document.activeElement);
    const neighbour = element.item.nextElementSibling ?? element.item.previousElementSibling;
    element.item.remove();
    elements.delete(id);
    if (hadFocus) (neighbour?.querySelector(".row") ?? byId("registrants")).focus();
  }
  let place = list.firstElementChild;
  for (const row of state.rows) {
    const element = elements.get(row.id) ?? createRow(row.id);
    // Moving an element would take the focus from it: only those out of place are moved.
    if (element.item === place) place = place.nextElementSibling;
    else list.insertBefore(element.item, place);
    drawRow(element, row);
  }
}

function createRow(id) {
  const item = byId("row-template").content.firstElementChild.cloneNode(true);
  const row = item.querySelector(".row");
  const detail = item.querySelector(".detail");
  detail.id = `detail-${id}`;
  item.dataset.id = id;
  row.setAttribute("aria-controls", detail.id);
  row.addEventListener("click", () => toggle(id));
  item.addEventListener("animationend", () => item.classList.remove("fresh"));
  const parts = Object.fromEntries(
    ["name", "sector", "base", "count", "word", "time"].map((part) => [part, item.querySelector(`.${part}`)]),
  );
  const element = { item, row, detail, bar: item.querySelector(".bar i"), ...parts };
  elements.set(id, element);
  return element;
}

function drawRow(element, row) {
  setText(element.name, row.endpoint_name);
  setText(element.sector, row.sector);
  setText(element.base, row.base);
  setText(element.count, numbers.format(row.link_count));
  setText(element.word, row.link_count === 1 ? "link" : "links");
  element.name.title = row.endpoint_name;
  element.base.title = row.base;
  element.item.classList.toggle("gone", state.gone.has(row.id));
  if (row.isFresh) {
    row.isFresh = false;
    element.item.classList.remove("fresh");
    // Reading a measure makes the browser see the class leave, so that the animation starts anew.
    void element.item.offsetWidth;
    element.item.classList.add("fresh");
  }
  const isOpen = state.openId === row.id;
  element.row.setAttribute("aria-expanded", String(isOpen));
  if (element.detail.hidden === isOpen) {
    element.detail.hidden = !isOpen;
    if (!isOpen) element.detail.replaceChildren();
  }
}

/** Brings all times up to now; runs each second. */
function drawTimes() {
  const now = performance.now();
  for (const row of state.rows) {
    const element = elements.get(row.id);
    if (!element) continue;
    const left = Math.max(0, row.remaining_s - (now - row.receivedAt) / 1000);
    const share = Math.min(1, left / row.lifetime_s);
    setText(element.time, state.gone.get(row.id) ?? duration(left));
    element.bar.style.transform = `scaleX(${share.toFixed(4)})`;
    element.item.classList.toggle("ending", share < ENDING_SHARE && !state.gone.has(row.id));
    const age = element.detail.querySelector("[data-age]");
    if (age) setText(age, `${duration(row.age_s + (now - row.receivedAt) / 1000)} ago`);
  }
  const line = byId("latest");
  if (latest.at && now - latest.at < 60_000) {
    const name = document.createElement("b");
    name.textContent = latest.name;
    line.replaceChildren(name, ` ${latest.kind} ${now - latest.at < 3000 ? "just now" : `${duration((now - latest.at) / 1000)} ago`}`);
  } else {
    line.replaceChildren();
  }
}

// ---------------------------------------------------------------- detail

function toggle(id) {
  if (state.openId === id) return close();
  // What is gone has nothing to show: it leaves with the next read, and then with the next frame.
  if (state.gone.has(id) || !state.rows.some((row) => row.id === id)) return;
  state.openId = id;
  elements.get(id).detail.replaceChildren(node("p", { className: "loading" }, "Loading…"));
  drawSoon();
  readDetail(id);
}

function close() {
  const id = state.openId;
  state.openId = null;
  const element = elements.get(id);
  if (element?.detail.contains(document.activeElement)) element.row.focus();
  if (state.gone.has(id)) readSoon({ now: true });
  drawSoon();
}

async function readDetail(id) {
  try {
    const detail = await ask(`/api/v1/registrants/${encodeURIComponent(id)}`);
    if (state.openId === id) drawDetail(id, detail);
  } catch (error) {
    if (state.openId !== id || state.gone.has(id)) return;
    elements.get(id)?.detail.replaceChildren(node("p", { className: "loading" }, error.message));
  }
}

const ORIGINS = {
  configured: "In the daemon's configuration",
  directory: "Registered by the device or on its behalf",
  "simple-registration": "Simple registration: links fetched from the device",
  operator: "Entered by an operator",
  srp: "Registered by signed DNS update",
};

function drawDetail(id, detail) {
  const element = elements.get(id);
  if (!element) return;
  const removeHadFocus = element.detail.contains(document.activeElement);
  const facts = [
    ["Base", node("code", {}, detail.base)],
    ["Granted lifetime", duration(detail.lifetime_s)],
    ["Last renewed", node("span", { "data-age": "" }, `${duration(detail.age_s)} ago`)],
    ["Registration resource", node("code", {}, detail.location)],
    ["Origin", ORIGINS[detail.origin] ?? detail.origin],
  ];
  if (detail.sector) facts.splice(1, 0, ["Sector", detail.sector]);
  if (detail.source) facts.push(["Last heard from", node("code", {}, detail.source)]);
  if (detail.attributes.length) facts.push(["Attributes", chips(detail.attributes)]);
  const list = node("dl", { className: "facts" });
  for (const [term, value] of facts) {
    const className = term === "Base" || term === "Attributes" ? "wide" : "";
    list.append(node("div", { className }, node("dt", {}, term), node("dd", {}, value)));
  }

  const links = detail.links.length
    ? node("ul", {}, ...detail.links.map((link) => drawLink(link)))
    : node("p", { className: "loading" }, "It registered no links.");
  const actions = node("div", { className: "detail-actions" });
  const remove = node("button", { type: "button", className: "button removing" }, "Remove…");
  if (detail.origin === "configured") {
    actions.append(node("p", { className: "note" }, "It is changed in the configuration file."));
  } else if (state.status?.is_changeable === false) {
    remove.disabled = true;
    actions.append(remove, node("p", { className: "note" }, "No admin token is configured: nothing can be changed here."));
  } else {
    remove.addEventListener("click", () => askRemoval(detail));
    actions.append(remove);
  }
  const count = `${numbers.format(detail.links.length)} ${detail.links.length === 1 ? "link" : "links"}`;
  element.detail.replaceChildren(
    node("div", { className: "detail-grid" },
      node("section", { "aria-label": "Registration" }, node("h3", {}, "Registration"), list, actions),
      node("section", { "aria-label": "Links" }, node("h3", {}, count), links)),
  );
  if (removeHadFocus) remove.focus();
}

function drawLink(link) {
  const item = node("li", { className: "link" }, node("p", { className: "target" }, link.target));
  if (link.resolved_target !== link.target) item.append(node("p", { className: "resolved" }, link.resolved_target));
  if (link.attributes.length) item.append(chips(link.attributes));
  return item;
}

// ---------------------------------------------------------------- first device

let commandsFor = null;

function drawCommands() {
  const uri = state.status?.directory_uris[0] ?? `coap://${location.hostname}`;
  if (commandsFor === uri) return;
  commandsFor = uri;
  byId("first-uri").textContent = uri;
  const commands = [
    ["wayhouse", `wayhouse register --directory ${uri} --name lamp --link '</light>;rt=light' --keep`],
    ["aiocoap", `aiocoap-client -m POST --content-format application/link-format --payload '</light>;rt=light' '${uri}/rd?ep=lamp'`],
    ["libcoap", `coap-client -m post -t 40 -e '</light>;rt=light' '${uri}/rd?ep=lamp'`],
  ];
  byId("commands").replaceChildren(...commands.map(([name, command]) => {
    const figure = byId("command-template").content.firstElementChild.cloneNode(true);
    figure.querySelector(".tool").textContent = `with ${name}`;
    // Lines break between words alone: a broken option would be misread.
    figure.querySelector("code").append(...command.split(/(?<= )/).map((word) => node("span", {}, word)));
    const copy = figure.querySelector(".copy");
    copy.setAttribute("aria-label", `Copy the ${name} command`);
    copy.addEventListener("click", () => copyCommand(copy, figure.querySelector("code"), command));
    return figure;
  }));
}

async function copyCommand(button, code, command) {
  try {
    await navigator.clipboard.writeText(command);
    button.textContent = "Copied";
  } catch {
    // Without a secure context there is no clipboard: select it, the person copies.
    getSelection().selectAllChildren(code);
    button.textContent = "Selected";
  }
  setTimeout(() => (button.textContent = "Copy"), 2000);
}

// ---------------------------------------------------------------- removal

const removal = { id: null };

function askRemoval(detail) {
  removal.id = detail.id;
  byId("removal-name").textContent = detail.endpoint_name;
  byId("token").value = "";
  byId("token-field").hidden = sessionStorage.getItem(TOKEN_KEY) !== null;
  byId("removal-problem").hidden = true;
  byId("removal-confirm").disabled = false;
  byId("removal").showModal();
  (byId("token-field").hidden ? byId("removal-cancel") : byId("token")).focus();
}

async function remove(event) {
  event.preventDefault();
  const token = sessionStorage.getItem(TOKEN_KEY) ?? byId("token").value.trim();
  const problem = byId("removal-problem");
  if (!token) return byId("token").focus();
  byId("removal-confirm").disabled = true;
  try {
    await ask(`/api/v1/registrants/${encodeURIComponent(removal.id)}`, {
      method: "DELETE",
      headers: { Authorization: `Bearer ${token}` },
    });
    sessionStorage.setItem(TOKEN_KEY, token);
    byId("removal").close();
  } catch (error) {
    if (error.status === 404) return byId("removal").close();
    if (error.status === 401) {
      sessionStorage.removeItem(TOKEN_KEY);
      byId("token-field").hidden = false;
      byId("token").select();
    }
    problem.textContent = error.status === 401 ? "The admin token is wrong." : error.message;
    problem.hidden = false;
  } finally {
    byId("removal-confirm").disabled = false;
  }
}

// ---------------------------------------------------------------- input

let typing = null;

function searchFor(text, { now = false } = {}) {
  clearTimeout(typing);
  typing = setTimeout(() => {
    const query = text.trim();
    if (query === state.query) return;
    Object.assign(state, { query, page: 0, openId: null });
    reading.hasFollowed = false;
    readSoon({ now: true });
  }, now ? 0 : 150);
}

function turnTo(page) {
  Object.assign(state, { page, openId: null });
  reading.hasFollowed = false;
  readSoon({ now: true });
  byId("registrants").scrollIntoView({ block: "nearest" });
}

function moveFocus(key) {
  const rows = [...document.querySelectorAll(".view:not([hidden]) .row")];
  if (rows.length === 0) return;
  const at = rows.indexOf(document.activeElement.closest?.(".registrant, .group")?.querySelector(".row"));
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[key];
  if (to < 0 && !byId("text").closest(".view").hidden) byId("text").focus();
  else if (to < 0) rows[0].focus();
  else rows[Math.min(to, rows.length - 1)].focus();
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || byId("removal").open) return;
  const isTyping = event.target instanceof HTMLInputElement;
  const isInRow = event.target.classList?.contains("row");
  if (event.key === "/" && !isTyping) {
    event.preventDefault();
    if (isOnGroups()) location.hash = "";
    showView();
    byId("text").focus();
    byId("text").select();
  } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    if (isTyping && event.key === "ArrowUp") return;
    event.preventDefault();
    moveFocus(event.key);
  } else if ((event.key === "Home" || event.key === "End") && isInRow) {
    event.preventDefault();
    moveFocus(event.key);
  } else if (event.key === "Escape") {
    if (isTyping && byId("text").value) {
      byId("text").value = "";
      searchFor("", { now: true });
    } else if (isOnGroups()) {
      closeGroup();
    } else if (state.openId) {
      close();
    } else if (isTyping) {
      byId("text").blur();
    }
  }
}

const isOnGroups = () => location.hash === "#groups";

/** Shows the view that the address names. */
function showView() {
  const isGroups = isOnGroups();
  byId("view-registrants").hidden = isGroups;
  byId("view-groups").hidden = !isGroups;
  for (const link of document.querySelectorAll(".views a")) {
    if ((link.hash === "#groups") === isGroups) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  showGroups(isGroups);
}

addEventListener("hashchange", showView);
byId("search").addEventListener("submit", (event) => {
  event.preventDefault();
  searchFor(byId("text").value, { now: true });
});
byId("text").addEventListener("input", () => searchFor(byId("text").value));
byId("clear").addEventListener("click", () => {
  byId("text").value = "";
  byId("text").focus();
  searchFor("", { now: true });
});
byId("retry").addEventListener("click", () => readSoon({ now: true }));
byId("previous").addEventListener("click", () => turnTo(state.page - 1));
byId("next").addEventListener("click", () => turnTo(state.page + 1));
byId("removal-form").addEventListener("submit", remove);
byId("removal-cancel").addEventListener("click", () => byId("removal").close());
document.addEventListener("keydown", onKey);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  readSoon();
  readStatus();
});

setInterval(() => document.hidden || drawTimes(), 1000);
setInterval(() => document.hidden || readStatus(), STATUS_INTERVAL_MS);
setInterval(announce, ANNOUNCE_INTERVAL_MS);

showView();
follow();
readSoon({ now: true });
readStatus();

// The view of groups: CoAP groups, what they carry, what protects them, who is in them, and who says so.
//
// `GET /api/v1/groups` is what counts. Changes of the registry only say that it must be read again, which happens while the
// view is on screen, and no more often than the daemon can bear.

import { mountAsking } from "./asking.js";
import { ask, byId, chips, node, numbers, setText } from "./parts.js";

const PAGE_COUNT = 50;
/** The list is read again at most this often. */
const READ_INTERVAL_MS = 500;
/** A read may take at most this share of the time. */
const READ_SHARE = 4;

const state = { isShown: false, isStale: true, isRead: false, page: 0, groups: [], hasMore: false, failure: null, open: null };
const reading = { timer: null, isUnderWay: false, endedAt: -Infinity, pause: READ_INTERVAL_MS };
/** The elements of the groups on screen: authority → { item, row, detail, … }. */
const elements = new Map();

/** Shows or hides the view. */
export function showGroups(isShown) {
  state.isShown = isShown;
  if (isShown && state.isStale) readSoon();
}

/** Says that something happened in the registry. */
export function groupsMayHaveChanged() {
  state.isStale = true;
  if (state.isShown) readSoon();
}

function readSoon() {
  if (reading.timer !== null) return;
  const wait = Math.max(0, reading.endedAt + reading.pause - performance.now());
  reading.timer = setTimeout(() => {
    reading.timer = null;
    if (reading.isUnderWay) readSoon();
    else read();
  }, reading.isUnderWay ? reading.pause : wait);
}

async function read() {
  const startedAt = performance.now();
  const { page } = state;
  reading.isUnderWay = true;
  // What changes while the answer is made is read with the next one.
  state.isStale = false;
  try {
    const answer = await ask(`/api/v1/groups?page=${page}&count=${PAGE_COUNT}`);
    if (page !== state.page || (answer.groups.length === 0 && page > 0)) {
      if (page === state.page) state.page -= 1;
      readSoon();
    } else {
      Object.assign(state, { groups: answer.groups, hasMore: answer.has_more, isRead: true, failure: null });
    }
  } catch (error) {
    // What is on screen is better than nothing.
    if (!state.isRead) state.failure = error.message;
    state.isStale = true;
  }
  reading.isUnderWay = false;
  reading.endedAt = performance.now();
  reading.pause = Math.max(READ_INTERVAL_MS, (reading.endedAt - startedAt) * READ_SHARE);
  requestAnimationFrame(draw);
}

function draw() {
  const isEmpty = state.isRead && state.groups.length === 0;
  byId("group-failure").hidden = !state.failure;
  setText(byId("group-failure-text"), state.failure ?? "");
  byId("group-board").hidden = state.groups.length === 0 || Boolean(state.failure);
  byId("group-nothing").hidden = !isEmpty || Boolean(state.failure);
  setText(byId("group-command"), `wayhouse register --name lights --attribute et=core.rd-group --base 'coap://[ff05::17]' --link '</gp/gp1>;rt=g.light'`);
  byId("group-pager").hidden = state.page === 0 && !state.hasMore;
  setText(byId("group-page-number"), `Page ${numbers.format(state.page + 1)}`);
  byId("group-previous").disabled = state.page === 0;
  byId("group-next").disabled = !state.hasMore;
  const count = state.groups.length;
  setText(byId("group-range"), count === 0 || state.hasMore || state.page > 0 ? "" : `${numbers.format(count)} CoAP ${count === 1 ? "group" : "groups"}`);
  drawList();
}

function drawList() {
  const list = byId("group-list");
  const present = new Set(state.groups.map((group) => group.authority));
  for (const [authority, element] of elements) {
    if (present.has(authority)) continue;
    const hadFocus = element.item.contains(document.activeElement);
    const neighbour = element.item.nextElementSibling ?? element.item.previousElementSibling;
    element.item.remove();
    elements.delete(authority);
    if (hadFocus) (neighbour?.querySelector(".row") ?? byId("group-section")).focus();
  }
  let place = list.firstElementChild;
  for (const group of state.groups) {
    const element = elements.get(group.authority) ?? createItem(group.authority);
    // Moving an element would take the focus from it: only those out of place are moved.
    if (element.item === place) place = place.nextElementSibling;
    else list.insertBefore(element.item, place);
    drawItem(element, group);
  }
}

function createItem(authority) {
  const item = byId("group-template").content.firstElementChild.cloneNode(true);
  const row = item.querySelector(".row");
  const detail = item.querySelector(".detail");
  detail.id = `group-${authority}`;
  item.dataset.authority = authority;
  row.setAttribute("aria-controls", detail.id);
  row.addEventListener("click", () => toggle(authority));
  const parts = Object.fromEntries(
    ["name", "base", "carried", "count", "word", "facts", "applications", "security", "members"].map((part) => [part, item.querySelector(`.${part}`)]),
  );
  const element = { item, row, detail, shown: null, group: null, ...parts };
  elements.set(authority, element);
  return element;
}

/** The name by which people know it: the first that is not only its address. */
function nameOf(group) {
  return group.registrations[0]?.endpoint_name ?? group.names[0] ?? group.authority;
}

function drawItem(element, group) {
  const applications = group.application_groups.map(({ name, types }) => (types.length ? `${name} (${types.join(" ")})` : name));
  const members = group.members.length + (group.is_member ? 1 : 0);
  setText(element.name, nameOf(group));
  setText(element.base, group.uri);
  setText(element.carried, applications.join(", "));
  setText(element.count, numbers.format(members) + (group.has_more_members ? "+" : ""));
  setText(element.word, members === 1 ? "member" : "members");
  element.name.title = group.names.join(", ");
  element.base.title = group.uri;
  element.item.classList.toggle("warned", group.other_ports.length > 0);
  const isOpen = state.open === group.authority;
  element.row.setAttribute("aria-expanded", String(isOpen));
  element.detail.hidden = !isOpen;
  // Only what changed is made anew, so that nobody loses a place in it.
  const shown = isOpen ? JSON.stringify(group) : null;
  if (isOpen && element.shown !== shown) drawDetail(element, group);
  element.shown = shown;
}

const ORIGINS = {
  directory: "registered at the directory",
  "simple-registration": "simple registration",
  operator: "entered by an operator",
  srp: "registered by signed DNS update",
  configured: "in the daemon's configuration",
};
const NAMINGS = {
  path: "named in the path",
  query: "named in the query",
  authority: "named in the authority",
  implicit: "named nowhere in a request",
};

function drawDetail(element, group) {
  const isFirst = element.group === null;
  element.group = group;
  if (isFirst) mountAsking(element.item.querySelector(".group-actions"), () => element.group);
  const facts = [["Group URI", node("code", {}, group.uri)], ["Names", group.names.join(", ")]];
  if (group.scope) facts.push(["Scope", group.scope]);
  facts.push(["Learned from", group.registrations.map((one) => `${one.endpoint_name}${one.sector ? ` in ${one.sector}` : ""}: ${ORIGINS[one.origin] ?? one.origin}`).join("; ")]);
  if (group.members_expected) facts.push(["Members expected", numbers.format(group.members_expected)]);
  if (group.other_ports.length) {
    const ports = group.other_ports.join(", ");
    facts.push(["Not recommended", node("span", { className: "warning" }, `Other CoAP groups have this address with port ${ports}.`)]);
  }
  element.facts.replaceChildren(...facts.map(([term, value]) => node("div", { className: "wide" }, node("dt", {}, term), node("dd", {}, value))));

  element.applications.replaceChildren(node("h3", {}, "Application groups"), ...group.application_groups.map((one) =>
    node("div", { className: "part" }, node("p", {}, node("b", {}, one.name), ` ${NAMINGS[one.naming] ?? ""}`),
      ...one.resources.slice(0, 20).map((resource) => node("p", {}, node("code", {}, resource))),
      chips([...one.types.map((value) => ({ name: "type", value })), ...one.security_groups.map((value) => ({ name: "security group", value }))]))));

  const security = group.security_groups.map((one) =>
    node("div", { className: "part" },
      node("p", {}, node("b", {}, one.name), one.application_groups.length ? ` protects ${one.application_groups.join(", ")}` : " protects the whole CoAP group"),
      ...one.join_uris.map((uri) => node("p", {}, node("code", {}, uri)))));
  element.security.replaceChildren(node("h3", {}, "Security groups"),
    ...(security.length ? security : [node("p", { className: "quiet" }, "None is known: nothing protects what is sent to this group.")]));

  const own = group.is_member ? [node("div", { className: "part" }, node("p", {}, node("b", {}, "this daemon")))] : [];
  const members = [...own, ...group.members.map((member) =>
    node("div", { className: "part" },
      node("p", {}, node("b", {}, member.endpoint_name), member.sector ? ` in ${member.sector}` : "", member.application_groups.length ? ` · ${member.application_groups.join(", ")}` : ""),
      node("p", {}, node("code", {}, member.base))))];
  if (group.has_more_members) members.push(node("p", { className: "quiet" }, "And more."));
  element.members.replaceChildren(node("h3", {}, "Members"),
    ...(members.length ? members : [node("p", { className: "quiet" }, "No registrant says that it is a member.")]));
}

function toggle(authority) {
  if (state.open === authority) return closeGroup();
  state.open = authority;
  draw();
}

/** Closes the group whose details are shown. */
export function closeGroup() {
  const element = elements.get(state.open);
  if (!element) return;
  state.open = null;
  if (element.detail.contains(document.activeElement)) element.row.focus();
  draw();
}

function turnTo(page) {
  Object.assign(state, { page, open: null });
  byId("group-section").scrollIntoView({ block: "nearest" });
  readSoon();
}

byId("group-previous").addEventListener("click", () => turnTo(state.page - 1));
byId("group-next").addEventListener("click", () => turnTo(state.page + 1));
byId("group-retry").addEventListener("click", readSoon);

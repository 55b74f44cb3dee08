// Asking a group: a GET goes to all its members at once, and each answer is shown as it comes.
//
// `POST /api/v1/groups/ask` streams the answers (server-sent events). It needs the admin token, because the daemon sends.

import { Failure, node, numbers, setText } from "./parts.js";

const TOKEN_KEY = "wayhouse-admin-token";
const WINDOW_S = 7;
/** Answers on screen; more are counted. */
const ROWS_MAX = 500;

/** Puts the form into a group's details. `group` tells what is known of it when it is used. */
export function mountAsking(place, group) {
  const path = node("input", { type: "text", value: firstPath(group()), "aria-label": "Path to ask for", spellcheck: "false", autocapitalize: "off" });
  const token = node("input", { type: "password", "aria-label": "Admin token", placeholder: "Admin token", autocomplete: "off" });
  const tokenField = node("span", { className: "ask-token" }, token);
  const button = node("button", { type: "submit", className: "button ask-button" }, "Ask this group");
  const progress = node("progress", { className: "ask-progress", max: "1", value: "0", "aria-label": "Time left for answers" });
  const summary = node("p", { className: "ask-summary", role: "status" });
  const problem = node("p", { className: "problem", role: "alert" });
  const rows = node("tbody");
  const table = node("table", { className: "ask-answers" },
    node("caption", { className: "quiet" }, "Answers"),
    node("thead", {}, node("tr", {}, ...["Member", "After", "Code", "Answer"].map((title) => node("th", { scope: "col" }, title)))),
    rows);
  const form = node("form", { className: "ask-form" }, node("label", {}, "GET ", path), tokenField, button);
  progress.hidden = table.hidden = true;
  place.replaceChildren(form, progress, summary, problem, table);
  let running = null;

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (running) return running.abort();
    const admin = sessionStorage.getItem(TOKEN_KEY) ?? token.value.trim();
    tokenField.hidden = sessionStorage.getItem(TOKEN_KEY) !== null;
    if (!admin) return token.focus();
    running = new AbortController();
    setText(problem, "");
    setText(button, "Stop");
    rows.replaceChildren();
    table.hidden = true;
    progress.hidden = false;
    const started = performance.now();
    const tick = setInterval(() => { progress.value = Math.min(1, (performance.now() - started) / 1000 / WINDOW_S); }, 100);
    const expected = membersOf(group());
    const heard = new Set();
    const say = (isOver) => setText(summary, sentence(heard, expected, isOver));
    say(false);
    try {
      const uri = group().uri.replace(/\/$/, "") + (path.value.startsWith("/") ? path.value : `/${path.value}`);
      const question = { uri, window_s: WINDOW_S, members: [...expected] };
      for await (const { event: kind, data } of stream("/api/v1/groups/ask", question, admin, running.signal)) {
        sessionStorage.setItem(TOKEN_KEY, admin);
        tokenField.hidden = true;
        if (kind === "end") break;
        if (kind !== "answer") continue;
        if (data.code) heard.add(data.from);
        table.hidden = false;
        if (rows.childElementCount < ROWS_MAX) rows.append(row(data));
        say(false);
      }
      say(true);
    } catch (error) {
      if (error.name === "AbortError") say(true);
      else {
        if (error.status === 401) {
          sessionStorage.removeItem(TOKEN_KEY);
          tokenField.hidden = false;
        }
        setText(summary, "");
        setText(problem, error.status === 401 ? "The admin token is wrong." : error.message);
      }
    }
    clearInterval(tick);
    progress.hidden = true;
    setText(button, "Ask this group");
    running = null;
  });
  tokenField.hidden = sessionStorage.getItem(TOKEN_KEY) !== null;
}

function firstPath(group) {
  const resource = group.application_groups.flatMap(({ resources }) => resources)[0];
  if (!resource) return "/.well-known/core";
  const start = resource.indexOf("://");
  return start < 0 ? resource : resource.slice(start + 3).replace(/^[^/]*/, "") || "/";
}

/** Members of which an address is known, as `address:port`. */
function membersOf(group) {
  const found = new Set();
  for (const { base } of group.members) {
    if (!base.startsWith("coap://")) continue;
    let url;
    try { url = new URL(base.replace(/^coap:/, "http:")); } catch { continue; }
    const isAddress = url.hostname.startsWith("[") || /^[0-9.]+$/.test(url.hostname);
    const isSameFamily = url.hostname.startsWith("[") === (group.address ?? "").includes(":");
    if (isAddress && isSameFamily) found.add(`${url.hostname}:${url.port || 5683}`);
  }
  return found;
}

function sentence(heard, expected, isOver) {
  const silent = [...expected].filter((member) => !heard.has(member));
  const count = `${numbers.format(heard.size)} ${heard.size === 1 ? "member" : "members"} answered`;
  if (!isOver) return heard.size ? `${count} so far` : "Waiting for answers";
  if (heard.size === 0) return "Nobody answered";
  return silent.length ? `${count}; silent: ${silent.join(", ")}` : count;
}

function row({ from, after_s, code, text, hex, failure }) {
  const value = failure ?? text ?? (hex ? `0x${hex}` : "");
  return node("tr", {}, node("td", {}, node("code", {}, from ?? "")), node("td", { className: "number" }, `${after_s.toFixed(2)} s`),
    node("td", {}, code ?? "–"), node("td", {}, value.length > 200 ? `${value.slice(0, 200)}…` : value));
}

/** Server-sent events of a POST, which `EventSource` cannot make. */
async function* stream(path, body, token, signal) {
  let response;
  try {
    response = await fetch(path, {
      method: "POST", cache: "no-store", credentials: "omit", signal, body: JSON.stringify(body),
      headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure(0, "The daemon cannot be reached.");
  }
  if (!response.ok) {
    const told = await response.json().catch(() => null);
    throw new Failure(response.status, told?.detail ?? `Status ${response.status}`, told?.hint);
  }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    waiting += value;
    const blocks = waiting.split("\n\n");
    waiting = blocks.pop();
    for (const block of blocks) {
      const field = (name) => block.split("\n").find((line) => line.startsWith(`${name}:`))?.slice(name.length + 1).trim();
      if (field("data")) yield { event: field("event") ?? "message", data: JSON.parse(field("data")) };
    }
  }
}

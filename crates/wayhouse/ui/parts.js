// What the views of the page share: asking the daemon, making elements, writing numbers and times.

export const byId = (id) => document.getElementById(id);
export const numbers = new Intl.NumberFormat("en");

export class Failure extends Error {
  constructor(status, detail, hint) {
    super(hint ? `${detail} – ${hint}` : detail);
    this.status = status;
  }
}

export async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { cache: "no-store", credentials: "omit", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure(0, "The daemon cannot be reached.");
  }
  if (response.status === 204) return null;
  const body = await response.json().catch(() => null);
  if (!response.ok) throw new Failure(response.status, body?.detail ?? `Status ${response.status}`, body?.hint);
  return body;
}

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** A time in its two largest units, the smaller one left out when it is zero. */
export function duration(seconds) {
  let rest = Math.floor(seconds);
  const parts = [];
  for (const [unit, length] of [["y", 31_536_000], ["d", 86_400], ["h", 3600], ["min", 60], ["s", 1]]) {
    const count = Math.floor(rest / length);
    rest %= length;
    if (parts.length === 1) {
      if (count > 0) parts.push(`${count} ${unit}`);
      break;
    }
    if (count > 0) parts.push(`${numbers.format(count)} ${unit}`);
  }
  return parts.join(" ") || "0 s";
}

export function node(name, properties = {}, ...children) {
  const { className, ...attributes } = properties;
  const element = document.createElement(name);
  if (className) element.className = className;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

export function chips(attributes) {
  return node("div", { className: "chips" }, ...attributes.map(({ name, value }) =>
    value
      ? node("span", { className: "chip" }, node("span", {}, `${name}=`), value)
      : node("span", { className: "chip" }, name)));
}

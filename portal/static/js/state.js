// What the page knows; views read these signals and are drawn again when they change.
import { signal, computed } from "./lib.js";

const kept = (name, other) => signal(localStorage.getItem(name) || other);

export const session = signal(undefined); // undefined: not asked yet; null: logged out
export const summary = signal(null);
export const summaryAt = signal(0);
export const incidents = signal(new Map());
export const unread = signal(null); // the place behind the open incidents that were loaded
export const OVER = 30; // incidents that are over, of a page
export const overMost = signal(OVER);
export const unreadOver = signal(null); // the place behind those that were loaded
export const online = signal(true);
export const toast = signal(null);
export const dialog = signal(null);
export const chosen = signal(""); // the incident that keys act on
export const marked = signal(new Set()); // for actions on several
export const leaving = signal(new Set()); // incidents that are about to be resolved
export const language = kept("language", navigator.language.startsWith("ko") ? "ko" : "en");
export const theme = kept("theme", "auto");
export const zone = kept("zone", "local");
export const clock = signal(Date.now());
export const texts = signal({}); // by incident, how often its text by a language model grew
export const changes = signal(0); // grows with every change on the stream
export const seeking = signal(false); // the search for a series is to have the next key

export function keep(name, target, value) {
  target.value = value;
  localStorage.setItem(name, value);
}

const RANK = { CRITICAL: 3, WARNING: 2, INFO: 1 };
export const rank = (severity) => RANK[severity] || 0;

export const open = computed(() =>
  [...incidents.value.values()]
    .filter((one) => one.firing)
    .sort((a, b) => rank(b.severity) - rank(a.severity) || a.opened.localeCompare(b.opened) ||
      a.id.localeCompare(b.id)));
export const over = computed(() =>
  [...incidents.value.values()].filter((one) => !one.firing)
    .sort((a, b) => (b.closed || "").localeCompare(a.closed || "")).slice(0, overMost.value));

// How many are open: more than were loaded, where there are very many.
export const openCount = computed(() =>
  (unread.value && summary.value ? Math.max(open.value.length, summary.value.open_incidents) : open.value.length));

// The present: the clock, or the end of a recording.
export function now() {
  const known = summary.value;
  if (!known || !known.now) return clock.value;
  const then = Date.parse(known.now);
  return known.recording ? then : then + (clock.value - summaryAt.value);
}

// ---- where we are: everything behind the hash, so that links and the back button work

// A part of an address as it was meant; one that is written wrongly is taken as it stands.
function decoded(part) {
  try { return decodeURIComponent(part); } catch { return part; }
}

export function read() {
  const text = location.hash.slice(1), cut = text.indexOf("?");
  const path = cut < 0 ? text : text.slice(0, cut), query = cut < 0 ? "" : text.slice(cut + 1);
  const parts = path.split("/").filter(Boolean).map(decoded);
  return { view: parts[0] || "now", parts: parts.slice(1), query: new URLSearchParams(query || "") };
}
export const route = signal(read());
addEventListener("hashchange", () => {
  dialog.value = null; // it belongs to where we were
  route.value = read();
});

export function link(view, parts = [], query = {}) {
  const path = [view, ...parts.map(encodeURIComponent)].join("/");
  const given = Object.entries(query).filter(([, value]) => value !== "" && value != null);
  const text = new URLSearchParams(given).toString();
  return `#/${path}${text ? `?${text}` : ""}`;
}
export function go(view, parts, query) { location.hash = link(view, parts, query); }
export function settle(view, parts, query) { // without a step of its own for the back button
  history.replaceState(null, "", link(view, parts, query));
  route.value = read();
}

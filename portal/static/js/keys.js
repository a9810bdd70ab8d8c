// Keys; each has a button that shows it.
import { act, settled, silenceDialog } from "./actions.js";
import { chosen, dialog, go, incidents, marked, open, over, route, seeking, toast } from "./state.js";

export const PLACES = { n: "now", s: "series", e: "explore", w: "whatif", l: "logs", h: "health", c: "compare" };
let pending = 0;

export const subject = () => (route.value.view === "incident" ? route.value.parts[0] : chosen.value);
const subjects = () => (marked.value.size ? [...marked.value] : subject() ? [subject()] : []);

export function move(by) {
  const names = [...open.value, ...over.value].map((one) => one.id);
  if (!names.length || route.value.view !== "now") return;
  const at = names.indexOf(chosen.value);
  chosen.value = names[Math.min(Math.max(at + by, 0), names.length - 1)];
  requestAnimationFrame(() => {
    const row = document.getElementById(`row-${chosen.value}`);
    if (row) row.scrollIntoView({ block: "nearest" });
    else dispatchEvent(new CustomEvent("reveal", { detail: chosen.value })); // out of sight in a long list
  });
}

export function mark(name) {
  const next = new Set(marked.value);
  if (!next.delete(name)) next.add(name);
  marked.value = next;
}

export function find() {
  const there = document.getElementById("find");
  seeking.value = !there; // else as soon as it is drawn
  go("series");
  there?.focus();
}

// What was done last; else the acknowledgement of what is chosen, as its button says.
function undo() {
  const one = toast.value, names = subjects().filter((name) => incidents.value.get(name)?.acknowledged_by);
  if (one && one.undo) { toast.value = null; one.undo(); } else if (names.length) act("unacknowledge", names);
}

const ACTIONS = {
  j: () => move(1), k: () => move(-1), e: () => subject() && go("incident", [subject()]),
  a: () => act("acknowledge", subjects()), r: () => act("resolve", subjects()),
  s: () => silenceDialog(subjects()),
  x: () => chosen.value && mark(chosen.value), "?": () => { dialog.value = { kind: "keys" }; },
  u: () => settled().then(undo), // also of what is seen before its answer has come
  "/": () => find(),
};

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.target.closest("input, textarea, select, dialog")) return;
  if (Date.now() - pending < 1500) {
    pending = 0;
    if (PLACES[event.key]) { event.preventDefault(); go(PLACES[event.key]); return; }
  }
  if (event.key === "g") { pending = Date.now(); return; }
  if (event.key === "Enter" && event.target === document.body && chosen.value) { ACTIONS.e(); return; }
  const action = ACTIONS[event.key];
  if (action) { event.preventDefault(); action(); }
});

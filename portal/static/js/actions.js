// What a person does; each action can be undone where that is possible.
import { all, ask, at, id, post, report } from "./api.js";
import { dialog, incidents, leaving, marked, route, session, toast } from "./state.js";
import { absolute } from "./format.js";
import { t } from "./text.js";

export const may = () => session.value && session.value.role !== "viewer";

let turn = 0;

// An answer that comes late never takes the place of what a later action said, nor of its undo.
function said(text, undo, mine = ++turn) { if (mine === turn) toast.value = { text, undo }; }

const AT_ONCE = 6;
const wait = (ms) => new Promise((done) => setTimeout(done, ms));

// Some at a time, and slower where the server asks for it.
export async function each(list, run) {
  const results = new Array(list.length);
  let next = 0;
  const work = async () => {
    while (next < list.length) {
      const at = next++;
      for (let tries = 0; ; tries++) {
        try { results[at] = { value: await run(list[at]) }; break; } catch (error) {
          if (error.status === 429 && tries < 20) { await wait(1000); continue; }
          results[at] = { error };
          break;
        }
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, list.length) }, work));
  return results;
}

// On incidents: whether one of them still waits for alerting, and the action of each that was done.
async function several(names, what, body = () => ({})) {
  const results = await each(names, (name) => post(`/api/incidents/${id(name)}/${what}`, body(name), { keepalive: true }));
  const failed = results.filter((one) => one.error && one.error.status !== 409); // 409: it is over already
  if (failed.length) {
    throw names.length === 1 ? failed[0].error
      : new Error(t("someFailed", { n: failed.length, all: names.length, why: failed[0].error.message }));
  }
  const done = names.map((name, n) => [name, results[n].value]).filter(([, value]) => value);
  return { waits: done.some(([, value]) => value.waiting), actions: new Map(done.map(([name, value]) => [name, value.action])) };
}

// Only what these acknowledgements took: somebody else may hold the rest, by now or all along.
function undoing(actions) {
  running = taken([...actions.keys()], "unacknowledge", (name) => ({ undoes: actions.get(name) }));
  return running;
}

async function taken(names, what, body) {
  const mine = ++turn;
  try {
    const { waits, actions } = await several(names, what, body);
    const back = what === "acknowledge" && actions.size ? () => undoing(actions) : null;
    said(t(waits ? "waitsForAlerting" : `done_${what}`), back, mine);
  } catch (error) { report(error); }
}

const UNDO_MS = 6000;

// Nothing can open again what was resolved by hand, so it is held back until it can no longer be undone.
function resolveSoon(names) {
  const mine = ++turn;
  const put = (there) => {
    const next = new Set(leaving.value);
    for (const name of names) if (there) next.add(name); else next.delete(name);
    leaving.value = next;
  };
  const send = () => {
    clearTimeout(timer);
    removeEventListener("pagehide", send);
    several(names, "resolve").then(({ waits }) => { if (waits) said(t("waitsForAlerting"), null, mine); }, report).finally(() => put(false));
  };
  const timer = setTimeout(send, UNDO_MS);
  addEventListener("pagehide", send); // closing the page is no undo
  put(true);
  said(t("resolving", { n: names.length }), () => {
    clearTimeout(timer);
    removeEventListener("pagehide", send);
    put(false);
    said(t("undone"));
  }, mine);
}

// What is being done now; whoever undoes it waits until it is done.
let running = Promise.resolve();
export const settled = () => running;

export function act(what, names) {
  running = done(what, names);
  return running;
}

async function done(what, names) {
  if (!may()) { said(t("viewerOnly")); return; }
  const wanted = what === "resolve" ? names.filter((name) => !leaving.value.has(name)) : names;
  if (!wanted.length) return;
  marked.value = new Set();
  if (what === "resolve") resolveSoon(wanted);
  else await taken(wanted, what);
}

// One series of an incident; its incident goes on speaking of the others.
export async function actOnSeries(what, alert, body = {}) {
  const mine = ++turn;
  try {
    const found = await post(`/api/alerts/${id(alert)}/${what}`, body, { keepalive: true });
    const back = what === "acknowledge" ? () => actOnSeries("unacknowledge", alert, { undoes: found.action }) : null;
    said(t(found.waiting ? "waitsForAlerting" : `done_${what}`), back, mine);
  } catch (error) { report(error); }
}

// With all of its series: a list of incidents has the first of each.
async function whole(one) {
  if (!one.more) return one;
  const alerts = await all(at("/api/alerts", { incident: one.id }));
  return { ...one, members: [...new Map(alerts.map((each) => [each.fingerprint, each])).values()] };
}

// One dialog, also for several: all of their series and sources.
export async function silenceDialog(names) {
  const known = names.map((name) => incidents.value.get(name)).filter(Boolean);
  if (!may()) { said(t("viewerOnly")); return; }
  if (!known.length) return;
  const here = route.value, before = dialog.value;
  let chosen = known;
  try {
    if (known.some((one) => one.more)) chosen = await Promise.all(known.map(whole));
  } catch (error) { report(error); return; }
  if (route.value !== here || dialog.value !== before) return; // whoever asked has gone on
  const incident = {
    title: chosen.length === 1 ? chosen[0].title : t("marked", { n: chosen.length }),
    several: chosen.length > 1,
    members: chosen.flatMap((one) => one.members),
    sources: [...new Set(chosen.flatMap((one) => one.sources))],
  };
  dialog.value = { kind: "silence", incident };
}

const token = () => Array.from(crypto.getRandomValues(new Uint8Array(12)), (one) => one.toString(16).padStart(2, "0")).join("");

export async function silence(bodies) {
  const mine = ++turn, asked = dialog.value, several_ = marked.value;
  try {
    const names = bodies.map(() => token());
    const results = await each(bodies, (body) => post("/api/silences", body, { headers: { "Idempotency-Key": names[bodies.indexOf(body)] } }));
    const failed = results.find((one) => one.error);
    if (failed) { // all or nothing: of many in one request some may have been made
      await each(names, (name) => ask(`/api/silences/${id(name)}`, { method: "DELETE" }));
      throw failed.error;
    }
    const one = (await all("/api/silences")).find((each) => each.action === names[0]);
    if (marked.value === several_) marked.value = new Set();
    if (dialog.value === asked) dialog.value = null; // another one may be open by now
    said(t("done_silence", { time: one ? absolute(one.end) : "" }), async () => {
      for (const name of names) await unsilence(name);
    }, mine);
  } catch (error) { report(error); }
}

export async function unsilence(name) {
  await ask(`/api/silences/${id(name)}`, { method: "DELETE" }).catch(report);
}

// One after the other: the last one counts.
let judging = Promise.resolve();
export function judge(name, verdict) {
  const mine = ++turn;
  judging = judging.then(() => judged(name, verdict, mine));
  return judging;
}

async function judged(name, verdict, mine) {
  try {
    await post(`/api/feedback/${id(name)}`, { verdict });
    said(t("done_feedback", { verdict: t(verdict) }), null, mine);
  } catch (error) { report(error); }
}

export function curl(path, body) {
  const text = JSON.stringify(body).replaceAll("'", "'\\''");
  return `curl -X POST '${location.origin}${path}' -H "Authorization: Bearer $PADIT_KEY" `
    + `-H 'Content-Type: application/json' -d '${text}'`;
}

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    said(t("copied"));
  } catch { said(t("cannotCopy")); }
}

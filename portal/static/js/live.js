// The stream of changes: the browser resumes it by the number of the last change it has.
import { ask } from "./api.js";
import { batch } from "./lib.js";
import { changes, clock, incidents, online, OVER, overMost, session, summary, summaryAt, texts, unread, unreadOver } from "./state.js";

let source = null;
let last = null;
let again = 0;
let heard = 0; // when the stream last brought anything; it brings a beat every 5 s
const SILENT_MS = 16e3;

// What is worst, at once; the whole list follows when the stream of changes is open, so that none
// that comes between is missed.
export async function loadFirst() {
  const found = await ask("/api/incidents?state=open&limit=40");
  if (incidents.value.size === 0) incidents.value = new Map(found.items.map((one) => [one.id, one]));
}

// What the stream brings while a list is on its way is newer than that list.
let arrived = null;

const AGAIN_MS = 2000;

export async function loadAll() {
  const mine = arrived = new Map();
  let open, over;
  try {
    [open, over] = await Promise.all([
      ask("/api/incidents?state=open&limit=500"), ask(`/api/incidents?state=over&limit=${Math.min(overMost.value, 500)}`),
    ]);
  } catch { // nothing else would ask for it again
    setTimeout(() => { if (arrived === mine && session.value) loadAll(); }, AGAIN_MS);
    return;
  }
  if (arrived !== mine) return; // a later one is on its way
  arrived = null;
  const found = new Map();
  for (const one of [...open.items, ...over.items, ...mine.values()]) found.set(one.id, one);
  batch(() => {
    incidents.value = found;
    unread.value = open.next;
    unreadOver.value = over.next;
    changes.value += 1;
  });
}

// The next page of a list, into what is known; what is known already is not replaced by an older state of it.
const loading = new Set();

async function nextPage(place, path, also = () => {}) {
  const cursor = place.value;
  if (!cursor || loading.has(place)) return;
  loading.add(place);
  try {
    const found = await ask(`${path}&cursor=${encodeURIComponent(cursor)}`);
    const all = new Map(found.items.map((one) => [one.id, one]));
    for (const [name, one] of incidents.value) {
      const fresh = all.get(name);
      if (!fresh || fresh.changed_by <= one.changed_by) all.set(name, one);
    }
    if (place.value === cursor) batch(() => { incidents.value = all; place.value = found.next; also(found.items.length); });
  } finally { loading.delete(place); }
}

// Of the open incidents, worst first: asked for when the end of the list comes into sight.
export const loadMore = () => nextPage(unread, "/api/incidents?state=open&limit=500");

// Older ones that are over, for who asks.
export const loadOver = () => nextPage(unreadOver, `/api/incidents?state=over&limit=${OVER}`, (more) => { overMost.value += more; });

function alive() {
  heard = Date.now();
  online.value = true;
}

function take(one) {
  summary.value = one;
  summaryAt.value = clock.value = Date.now();
}

// Changes that came since the last paint: a command about each series of a large incident brings as many,
// and the page is drawn once for all of them. A page out of sight is not painted, so it waits a moment.
let waiting = [];
const HIDDEN_MS = 100;

function onChange(event) {
  last = event.lastEventId;
  alive();
  waiting.push(event.data);
  if (waiting.length > 1) return;
  requestAnimationFrame(takeChanges);
  setTimeout(takeChanges, HIDDEN_MS);
}

function takeChanges() {
  const lines = waiting;
  waiting = []; // first: a line that cannot be read stops nothing behind it
  const came = lines.map((one) => JSON.parse(one));
  if (!came.length) return;
  if (came.some((one) => one.left_out)) loadAll(); // more than a message holds
  batch(() => {
    const fresh = came.flatMap((one) => one.incidents);
    if (fresh.length) {
      const next = new Map(incidents.value);
      for (const one of fresh) {
        next.set(one.id, one);
        if (arrived) arrived.set(one.id, one);
      }
      incidents.value = next;
    }
    changes.value += 1;
  });
}

export function connect() {
  disconnect();
  heard = Date.now();
  source = new EventSource(last === null ? "/api/events" : `/api/events?after=${last}`);
  source.addEventListener("change", onChange);
  source.addEventListener("hello", (event) => {
    if (last === null) loadAll();
    last = event.lastEventId;
    alive();
    take(JSON.parse(event.data));
  });
  source.addEventListener("text", (event) => {
    const { incident } = JSON.parse(event.data);
    texts.value = { ...texts.value, [incident]: (texts.value[incident] || 0) + 1 };
  });
  source.addEventListener("beat", (event) => {
    alive();
    take(JSON.parse(event.data));
  });
  source.addEventListener("reset", (event) => {
    last = event.lastEventId;
    alive();
    loadAll();
  });
  source.onerror = () => {
    online.value = false;
    if (source && source.readyState === EventSource.CLOSED) {
      clearTimeout(again);
      again = setTimeout(async () => {
        await ask("/api/session").catch(() => {}); // logs out if that is why
        if (session.value) connect();
      }, 2000);
    }
  };
}

export function disconnect() {
  clearTimeout(again);
  if (source) source.close();
  source = null;
}
addEventListener("online", () => { if (session.value) connect(); });
addEventListener("offline", () => { disconnect(); online.value = false; });

// A network that swallows everything ends no connection: what brings no beat is given up. Also for a
// phone that slept: its clock has gone on.
function watch() {
  clock.value = Date.now();
  if (!source || Date.now() - heard < SILENT_MS) return;
  online.value = false;
  connect();
}
setInterval(watch, 1000);
addEventListener("visibilitychange", () => { if (!document.hidden) watch(); });

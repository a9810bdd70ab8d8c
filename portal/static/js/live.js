// The stream of changes: the browser resumes it by the number of the last change it has.
import { ask } from "./api.js";
import { batch } from "./lib.js";
import { changes, clock, incidents, online, session, summary, summaryAt, texts } from "./state.js";

let source = null;
let last = null;
let again = 0;

export async function loadAll() {
  const [open, over] = await Promise.all([
    ask("/api/incidents?state=open&limit=500"), ask("/api/incidents?state=over&limit=30"),
  ]);
  const found = new Map();
  for (const one of [...open.items, ...over.items]) found.set(one.id, one);
  incidents.value = found;
  changes.value += 1;
}

function take(one) {
  summary.value = one;
  summaryAt.value = clock.value = Date.now();
}

function onChange(event) {
  last = event.lastEventId;
  const change = JSON.parse(event.data);
  batch(() => {
    if (change.incidents.length) {
      const next = new Map(incidents.value);
      for (const one of change.incidents) next.set(one.id, one);
      incidents.value = next;
    }
    changes.value += 1;
  });
}

export function connect() {
  disconnect();
  source = new EventSource(last === null ? "/api/events" : `/api/events?after=${last}`);
  source.addEventListener("change", onChange);
  source.addEventListener("hello", (event) => {
    if (last === null) loadAll().catch(() => {});
    last = event.lastEventId;
    online.value = true;
    take(JSON.parse(event.data));
  });
  source.addEventListener("text", (event) => {
    const { incident } = JSON.parse(event.data);
    texts.value = { ...texts.value, [incident]: (texts.value[incident] || 0) + 1 };
  });
  source.addEventListener("beat", (event) => {
    online.value = true;
    take(JSON.parse(event.data));
  });
  source.addEventListener("reset", (event) => {
    last = event.lastEventId;
    online.value = true;
    loadAll().catch(() => {});
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
setInterval(() => { clock.value = Date.now(); }, 1000);

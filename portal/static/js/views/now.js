// What is wrong now: incidents, the worst first; calm if there is none.
import { act, may, silenceDialog, unsilence } from "../actions.js";
import { all, report } from "../api.js";
import { More, useAnswer } from "../answers.js";
import { absolute, Ago, few, Rest, Severity, span, Taken, whole } from "../format.js";
import { mark, move } from "../keys.js";
import { html, useEffect, useRef, useState } from "../lib.js";
import { loadMore, loadOver } from "../live.js";
import { changes, chosen, go, leaving, link, marked, now, open, openCount, over, summary, unread, unreadOver } from "../state.js";
import { because, recorded } from "../said.js";
import { t } from "../text.js";
import { silencesOf, Suppressed } from "./silenced.js";

const Button = ({ key_, words, name, label, run, plain }) => html`<button class=${plain ? "opens" : ""} aria-label=${`${words} ${key_}: ${label}`}
  onClick=${(event) => { event.stopPropagation(); run(name); }}>${words} <kbd>${key_}</kbd></button>`;

function Line({ one }) {
  const causes = one.causes;
  const cause = !causes.length ? "" : one.sources.length > 1
    ? (one.decided ? t("likely", { name: causes[0].source }) : t("unsure")) : because(causes[0].speaks);
  return html`<p class="facts"><span>${t("alertsOf", { n: one.members.length + one.more, sources: few(one.sources) })}</span>
    ${cause && html`<span class="cause">${cause}</span>`}</p>`;
}

function Row({ one }) {
  const on = chosen.value === one.id;
  const age = Date.parse(one.closed || 0) - Date.parse(one.opened);
  const pick = () => { chosen.value = one.id; };
  const title = recorded(one.title);
  return html`<li id=${`row-${one.id}`} class=${`incident ${one.firing ? one.severity : "over"} ${on ? "on" : ""}`} onClick=${pick}
      data-incident=${one.id}>
    <div class="top"><${Severity} of=${one.severity} quiet=${!one.firing} />
      <span class="age" title=${absolute(one.opened)}>${one.firing ? t("since", { span: span(now() - Date.parse(one.opened)) })
        : html`<${Ago} time=${one.closed} /> · ${t("lasted", { span: span(age) })}`}</span>
      <${Taken} one=${one} />
      <${Suppressed} one=${one} />
      ${leaving.value.has(one.id) && html`<span class="tag">${t("isLeaving")}</span>`}
      ${one.flapping && html`<span class="tag">${t("flapping")}</span>`}</div>
    <a class="title clamp" title=${title} href=${link("incident", [one.id])} onFocus=${pick}>${title}</a><${Line} one=${one} />
    ${one.firing && html`<div class="acts">
      <label class="mark"><input type="checkbox" checked=${marked.value.has(one.id)} onChange=${() => mark(one.id)}
        aria-label=${`${t("select")}: ${title}`} /><kbd>x</kbd></label>
      ${one.acknowledged_by ? html`<${Button} key_="u" words=${t("unacknowledge")} name=${one.id} label=${title} run=${(name) => act("unacknowledge", [name])} />`
        : html`<${Button} key_="a" words=${t("acknowledge")} name=${one.id} label=${title} run=${(name) => act("acknowledge", [name])} />`}
      <${Button} key_="s" words=${t("silence")} name=${one.id} label=${title} run=${(name) => silenceDialog([name])} />
      <${Button} key_="r" words=${t("resolve")} name=${one.id} label=${title} run=${(name) => act("resolve", [name])} />
      <${Button} key_="e" words=${t("open")} name=${one.id} label=${title} plain run=${(name) => go("incident", [name])} /></div>`}</li>`;
}

const MANY = 60;
// Of a row in a long list, where rows out of sight are not drawn; with the gap, as in style.css.
const height = () => (matchMedia("(max-width: 760px)").matches ? 176 : 148);

function List({ rows }) {
  const box = useRef(null);
  const [top, setTop] = useState(0);
  const many = rows.length > MANY;
  useEffect(() => {
    if (!many) return undefined;
    const look = () => setTop(Math.max(0, -box.current.getBoundingClientRect().top));
    const reveal = (event) => {
      const at = open.value.findIndex((one) => one.id === event.detail);
      if (at >= 0) scrollTo(0, scrollY + box.current.getBoundingClientRect().top + at * height() - innerHeight / 3);
    };
    look();
    addEventListener("scroll", look, { passive: true });
    addEventListener("resize", look);
    addEventListener("reveal", reveal);
    return () => { removeEventListener("scroll", look); removeEventListener("resize", look); removeEventListener("reveal", reveal); };
  }, [many]);
  const HEIGHT = height(), first = Math.max(0, Math.floor(top / HEIGHT) - 4);
  const last = first + Math.ceil(innerHeight / HEIGHT) + 10;
  useEffect(() => { if (last > rows.length - 100) loadMore().catch(() => {}); }, [last > rows.length - 100, unread.value]);
  if (!many) return html`<ul class="incidents">${rows.map((one) => html`<${Row} key=${one.id} one=${one} />`)}</ul>`;
  const shown = rows.slice(first, last);
  return html`<ul class="incidents virtual" ref=${box} style=${{ height: `${rows.length * HEIGHT}px`, paddingTop: `${first * HEIGHT}px` }}>
    ${shown.map((one) => html`<${Row} key=${one.id} one=${one} />`)}</ul>`;
}

const STALE_MS = 5 * 60e3;

// For how long nothing has come, in ms, if that is unusual: each source is measured by its own interval.
function silentFor(one) {
  const age = now() - Date.parse(one.last_record);
  return one.silent.of ? (one.silent.silent === one.silent.of ? age : 0) : age > STALE_MS ? age : 0;
}

// Nothing is wrong, as far as is known: without data it cannot be known.
function Calm() {
  const one = summary.value;
  if (!one) return html`<section class="calm" aria-busy="true"><h1>…</h1></section>`;
  if (one.catching_up) {
    return html`<section class="calm"><svg viewBox="0 0 48 48" width="64" height="64" aria-hidden="true"><circle cx="24" cy="24" r="21" />
      <path d="m14 25 7 7 13-15" /></svg><h1>${t("demonstration")}</h1><p class="soft">${t("demonstrationHint", { span: span(now() - Date.parse(one.last_record)) })}${!one.clear_since && ` ${t("failsSoon")}`}</p><${Watched} /></section>`;
  }
  const unseen = one.recording ? "" : !one.last_record ? t("nothingWatched")
    : one.behind ? t("behind", { span: span(now() - Date.parse(one.last_record)) }) : silentFor(one) ? t("stale", { span: span(silentFor(one)) }) : "";
  if (unseen) {
    return html`<section class="calm unseen"><svg viewBox="0 0 48 48" width="64" height="64" aria-hidden="true"><circle cx="24" cy="24" r="21" />
      <path d="M24 13v14m0 7v1" /></svg><h1>${unseen}</h1><p class="soft">${t("unseenHint")}</p><${Watched} /></section>`;
  }
  return html`<section class="calm"><svg viewBox="0 0 48 48" width="64" height="64" aria-hidden="true"><circle cx="24" cy="24" r="21" />
    <path d="m14 25 7 7 13-15" /></svg><h1>${one.clear_since ? t("clearSince", { ago: span(now() - Date.parse(one.clear_since)) }) : t("clear")}</h1><${Watched} /></section>`;
}

const Watched = () => summary.value && html`<p class="soft">${t("watched", { n: whole(summary.value.series) })} · ${
  t("last", { ago: "" })} <${Ago} time=${summary.value.last_record} />${!summary.value.recording && !summary.value.catching_up && summary.value.silent.silent > 0
    && html`<br /><b class="silent">${t("silentSources", { n: whole(summary.value.silent.silent), all: whole(summary.value.silent.of),
      names: summary.value.silent.names.join(", ") + (summary.value.silent.silent > summary.value.silent.names.length ? " …" : "") })}</b>`}</p>`;

// Open incidents by the silences that mean something of them.
function muted() {
  const found = new Map();
  for (const one of open.value) for (const each of silencesOf(one)) {
    if (!found.has(each.id)) found.set(each.id, []);
    found.get(each.id).push(one);
  }
  return found;
}

function Muted({ found = [] }) {
  return found.length > 0 && html`<span class="muted">${t("mutes")} ${found.slice(0, 3).map((one, n) => html`${n > 0 && ", "}<a href=${link("incident", [one.id])}>${recorded(one.title)}</a>`)}${
    found.length > 3 && ` ${t("more", { n: found.length - 3 })}`}</span>`;
}

// What one action made stands together: the first of them, how many they are, and the button that ends all.
function together(rows) {
  const found = new Map();
  for (const one of rows) {
    const name = one.action || one.id;
    if (!found.has(name)) found.set(name, { ...one, ids: [] });
    found.get(name).ids.push(one.id);
  }
  return [...found.values()];
}

function Silences({ wanted }) {
  const [rows, setRows] = useState(null);
  useAnswer((signal) => all("/api/silences", { signal }), [], [changes.value], setRows, () => {});
  const groups = rows && together(rows), there = groups && groups.find((one) => one.ids.includes(wanted));
  useEffect(() => { if (there) document.getElementById(`silence-${there.id}`)?.scrollIntoView({ block: "center" }); }, [wanted, there?.id]);
  if (!rows || (!rows.length && !wanted)) return null;
  const by = muted();
  return html`<section><h2>${t("active")}</h2>${wanted && !there && html`<p class="soft" role="status">${t("silenceGone")}</p>`}
    <ul class="plain-list">${groups.map((one) => html`<li key=${one.id} id=${`silence-${one.id}`} class=${one === there ? "wanted" : ""} aria-current=${one === there ? "true" : undefined}>
    <span class="grow"><b>${aimed(one)}</b>${one.ids.length > 1 && ` ${t("more", { n: whole(one.ids.length - 1) })}`} <span class="soft">${t("by", { name: one.by === "configuration" ? t("byConfiguration") : one.by })}${
      one.end && ` · ${t("endsIn", { time: absolute(one.end) })}`}</span> <${Muted} found=${[...new Set(one.ids.flatMap((name) => by.get(name) || []))]} /></span>
    ${one.by !== "configuration" && may() && html`<button onClick=${() => unsilence(one.ids.length > 1 ? one.action : one.id)} aria-label=${`${t("unsilence")}: ${one.id}`}>${t("unsilence")}</button>`}</li>`)}</ul></section>`;
}

const aimed = (one) => one.series || [one.source, one.metric, ...Object.entries(one.labels || {}).map(([name, value]) => `${name} = ${value}`)].filter((each) => each && each !== "*").join(" ")
  || one.fingerprint?.slice(0, 8) || one.id;

// Transitions that are on the topic, and that alerting has not taken yet.
function Pending() {
  const rows = summary.value ? summary.value.pending : [];
  if (!rows.length) return null;
  return html`<section class="card pending"><h2>${t("pendingTitle", { n: whole(summary.value.pending_count) })}</h2><ul class="plain-list">${rows.map((one) => html`<li key=${one.id} data-pending=${one.id}>
    <${Severity} of=${one.severity} quiet=${one.kind === "resolved"} /><span class="grow">${t(one.kind)} <b>${one.source_id}</b> ${recorded(one.summary) || one.metric_name}</span><${Ago} time=${one.time} /></li>`)}</ul><${Rest} n=${summary.value.pending_count - rows.length} words="earlier" /></section>`;
}

// One down or up, without a keyboard.
const Steps = () => html`<div class="row steps"><button onClick=${() => move(1)} aria-keyshortcuts="j">↓ ${t("nextOne")} <kbd>j</kbd></button>
  <button onClick=${() => move(-1)} aria-keyshortcuts="k">↑ ${t("previousOne")} <kbd>k</kbd></button></div>`;

export function Now({ here }) {
  const rows = open.value, past = over.value, several = marked.value;
  return html`${rows.length === 0 ? html`<${Calm} />` : html`<div class="bar"><h1>${rows.length === 1 ? t("oneOpen") : t("incidentsOpen", { n: whole(openCount.value) })}</h1><${Watched} /><${Steps} /></div>`}
    ${several.size > 0 && html`<div class="bulk" role="toolbar" aria-label=${t("marked", { n: several.size })}><b>${t("marked", { n: several.size })}</b>
      <button onClick=${() => act("acknowledge", [...several])}>${t("acknowledge")}</button>
      <button onClick=${() => silenceDialog([...several])}>${t("silence")}</button>
      <button onClick=${() => act("resolve", [...several])}>${t("resolve")}</button>
      <button onClick=${() => { marked.value = new Set(rows.map((one) => one.id)); }}>${t("selectAll", { n: whole(rows.length) })}</button>
      <button onClick=${() => { marked.value = new Set(); }}>${t("cancel")}</button></div>`}
    <${Pending} /><${List} rows=${rows} />${past.length > 0 ? html`<section><h2>${t("recently")}</h2><ul class="incidents past">${
      past.map((one) => html`<${Row} key=${one.id} one=${one} />`)}</ul>${unreadOver.value && html`<${More} run=${() => loadOver().catch(report)} />`}</section>` : rows.length === 0 && html`<p class="soft centred">${t("noneYet")}</p>`}<${Silences} wanted=${here.query.get("silence") || ""} />`;
}

// Series: find one; its values with bands, scores and alerts; zoom by mouse, touch and keys.
import { ask, at, report } from "../api.js";
import { More, useAnswer, usePages } from "../answers.js";
import { Chart } from "../chart.js";
import { absolute, Ago, called, Fault, few, hour, number, Rest, whole } from "../format.js";
import { html, useEffect, useRef, useState } from "../lib.js";
import { changes, go, link, now, read, seeking, settle, summary } from "../state.js";
import { recorded } from "../said.js";
import { t } from "../text.js";
import { columns } from "./incident.js";
import { WhyNot } from "./whynot.js";

const TYPING_MS = 100;

function Finder({ q }) {
  const setQ = (text) => settle("series", text ? [text] : []);
  const [found, first, more] = usePages();
  const opens = useRef(null); // what is typed and is to be opened once it is found
  const input = useRef(null);
  useEffect(() => { if (seeking.value) { seeking.value = false; input.current.focus(); } }, []);
  const open = (one) => go("series", [one.source_id, one.metric_name]);
  useAnswer(async (signal) => {
    await new Promise((done) => setTimeout(done, TYPING_MS));
    return { q, ...await ask(at("/api/series", { q, limit: 100 }), { signal }) };
  }, [q], [summary.value && summary.value.reading], (one) => {
    const longer = found && found.q === q && found.items.length > one.items.length; // pages that somebody asked for stay
    first(longer ? { ...found, count: one.count } : one);
    if (opens.current === q && one.items[0]) open(one.items[0]);
    opens.current = null;
  }, report);
  const enter = (event) => {
    if (event.key !== "Enter") return;
    if (!found || found.q !== event.target.value) opens.current = event.target.value; // the list is of what was typed before
    else if (found.items[0]) open(found.items[0]);
  };
  const next = () => more((cursor) => ask(at("/api/series", { q, limit: 100, cursor })), report);
  return html`<div class="bar"><h1>${t("series")}</h1><label class="search"><span class="hidden">${t("find")}</span>
    <input id="find" ref=${input} type="search" placeholder=${t("find")} value=${q} onInput=${(event) => setQ(event.target.value)} onKeyDown=${enter} /></label></div>
    ${found && html`<p class="soft">${t("allSeries", { n: whole(found.count) })}</p>${found.items.length === 0 ? html`<p>${t("noSeries")}</p>` : html`<ul class="tiles">${
      found.items.map((one) => html`<li key=${one.source_id + one.metric_name}><a href=${link("series", [one.source_id, one.metric_name])}><p><b title=${one.metric_name}>${called(one.metric_name)}</b> <span class="soft">${one.unit}</span></p>
      <p><span title=${one.source_id}>${called(one.source_id)}</span> <span class="soft"><${Ago} time=${one.last} /></span></p></a></li>`)}</ul>${found.next && html`<${More} run=${next} />`}`}`}`;
}

const LISTED = 20; // alerts below the chart
const HOUR = 3600e3, WEEK = 7 * 24 * HOUR;

function useSeries(source, metric, from, to, shift, every, held) {
  const [data, setData] = useState(null);
  const [fault, setFault] = useState("");
  const live = !to && summary.value && !summary.value.recording ? Math.floor(now() / 5000) : 0;
  const by = shift || 0;
  const moment = (text) => (by && Date.parse(text) ? new Date(Date.parse(text) - by).toISOString() : text);
  const points = every ? 100000 : Math.max(800, Math.round(innerWidth * devicePixelRatio) * 2);
  const take = (found) => {
    const put = () => { setData(found && columns(found)); setFault(""); };
    if (held) held.put(put); else put();
  };
  useAnswer((signal) => (shift == null ? Promise.resolve(null) : ask(at("/api/series/values", { source, metric, from: moment(from), to: moment(to), points }), { signal })),
    [source, metric, from, to, shift, every], [live, changes.value], take, (error) => setFault(error.message));
  return [data, fault];
}

// A gesture holds the chart: what comes meanwhile waits for its end, and is drawn unless the gesture
// has led elsewhere.
function useHold() {
  const one = useRef(null);
  if (!one.current) {
    let on = false, waiting = null;
    one.current = {
      hold() { on = true; },
      free() {
        on = false;
        const last = waiting;
        waiting = null;
        if (last && last.place === location.hash) last.put();
      },
      put(put) { if (on) waiting = { put, place: location.hash }; else put(); },
    };
  }
  return one.current;
}

// Of the span that somebody chose, at once; while a series runs on, the list stays as it was asked for.
function Moved({ chosen, span }) {
  const [found, setFound] = useState(null);
  const asked = useRef(null);
  useEffect(() => () => { asked.current?.abort(); setFound(null); }, chosen);
  const from = chosen[0] || new Date(span[0]).toISOString(), to = chosen[1] || new Date(span[1]).toISOString();
  const look = () => {
    asked.current?.abort();
    asked.current = new AbortController();
    ask(at("/api/series/moved", { from, to, limit: 15 }), { signal: asked.current.signal }).then((one) => setFound({ rows: one.items, from, to }), report);
  };
  return html`<section><p class="row"><button onClick=${look}>${t("moved")}</button><span class="soft">${t("movedHint")}${found && ` ${absolute(found.from)} – ${absolute(found.to)}`}</span></p>${found && html`<div class="wide" tabindex="0" role="region" aria-label=${t("moved")}><table><tbody>${
    found.rows.map((one) => html`<tr><td><a href=${link("series", [one.source_id, one.metric_name], { from: found.from, to: found.to })}>${one.source_id} ${one.metric_name}</a></td>
    <td class="figure">${one.shift > 0 ? "+" : ""}${number(one.shift, 3)}</td><td class="soft">${number(one.before)} → ${number(one.median)}</td></tr>`)}</tbody></table></div>`}</section>`;
}

// Wheel and pinch zoom, Shift and wheel or a swipe move: at once on what is drawn, and with the
// values of the new span as soon as the gesture rests.
function useGestures(box, span, show, held) {
  useEffect(() => {
    const target = box.current;
    if (!target || !span) return undefined;
    let [from, to] = span, timer = 0, touch = null;
    const put = (a, b) => {
      if (b - a < 500) return;
      [from, to] = [a, b];
      for (const one of target.querySelectorAll(".chart")) one.dispatchEvent(new CustomEvent("view", { detail: [a, b] }));
    };
    const rest = (ms) => {
      clearTimeout(timer);
      held.hold();
      timer = setTimeout(() => { show(from, to); held.free(); }, ms);
    };
    const pressed = () => {
      held.hold();
      addEventListener("mouseup", () => held.free(), { once: true });
    };
    const plot = () => (target.querySelector(".u-over") || target).getBoundingClientRect();
    const place = (x) => {
      const area = plot();
      return from + (to - from) * Math.min(Math.max((x - area.left) / (area.width || 1), 0), 1);
    };
    const zoom = (factor, middle) => put(middle - (middle - from) * factor, middle + (to - middle) * factor);
    const wheel = (event) => {
      event.preventDefault();
      const across = event.shiftKey ? event.deltaX || event.deltaY : event.deltaX;
      if (Math.abs(across) > Math.abs(event.shiftKey ? 0 : event.deltaY)) {
        const by = (to - from) * across / 1000;
        put(from + by, to + by);
      } else zoom(Math.exp(Math.max(-120, Math.min(120, event.deltaY)) / 250), place(event.clientX));
      rest(180);
    };
    const state = (list) => ({ x: [...list].reduce((sum, one) => sum + one.clientX, 0) / list.length,
      apart: list.length > 1 ? Math.abs(list[0].clientX - list[1].clientX) || 1 : 0 });
    const began = (event) => { held.hold(); touch = event.touches.length && state(event.touches); };
    const moving = (event) => {
      const next = state(event.touches);
      if (!touch) return;
      if (next.apart && touch.apart) { event.preventDefault(); zoom(touch.apart / next.apart, place(next.x)); }
      const by = (touch.x - next.x) / (plot().width || 1) * (to - from);
      if (by) put(from + by, to + by);
      touch = next;
    };
    let tapped = null;
    const tap = (event) => { // twice at one place zooms in there, as a double click does
      const one = event.changedTouches[0], now_ = event.timeStamp;
      const near = tapped && now_ - tapped.when < 350 && Math.hypot(one.clientX - tapped.x, one.clientY - tapped.y) < 30;
      tapped = near ? null : { when: now_, x: one.clientX, y: one.clientY };
      if (near) { event.preventDefault(); zoom(0.5, place(one.clientX)); rest(60); }
    };
    const twice = (event) => { zoom(0.5, place(event.clientX)); rest(60); };
    const ended = (event) => {
      const still = !event.touches.length && event.type === "touchend" && from === span[0] && to === span[1];
      if (still) tap(event); else tapped = null;
      touch = event.touches.length ? state(event.touches) : null;
      if (touch) return;
      if (from !== span[0] || to !== span[1]) rest(60); else held.free();
    };
    target.addEventListener("wheel", wheel, { passive: false });
    target.addEventListener("touchstart", began, { passive: true });
    target.addEventListener("touchmove", moving, { passive: false });
    target.addEventListener("dblclick", twice);
    target.addEventListener("mousedown", pressed);
    target.addEventListener("touchend", ended);
    target.addEventListener("touchcancel", ended);
    return () => {
      clearTimeout(timer);
      target.removeEventListener("wheel", wheel);
      held.free();
      target.removeEventListener("dblclick", twice);
      target.removeEventListener("mousedown", pressed);
      target.removeEventListener("touchstart", began);
      target.removeEventListener("touchmove", moving);
      target.removeEventListener("touchend", ended);
      target.removeEventListener("touchcancel", ended);
    };
  }, [span && span[0], span && span[1]]);
}

function One({ source, metric, query }) {
  const from = query.get("from") || "", to = query.get("to") || "", week = query.get("week") === "1", every = query.get("all") === "1";
  const held = useHold();
  const [data, fault] = useSeries(source, metric, from, to, 0, every, held);
  const [before] = useSeries(source, metric, data ? new Date(data.from).toISOString() : "", data ? new Date(data.to).toISOString() : "", week && data ? WEEK : null, every);
  const box = useRef(null);
  const why = query.get("why") || "";
  const place = (fresh, step) => (step ? go : settle)("series", [source, metric], { from, to, week: week ? 1 : "", all: every ? 1 : "", why, ...fresh });
  const show = (a, b) => b - a > 500 && place({ from: new Date(a).toISOString(), to: new Date(b).toISOString() }, true);
  const span = data ? [data.from, data.to] : null;
  const asked = () => { // a key counts from what was asked for last, also while its values are on their way
    const { query: latest } = read(), given = ["from", "to"].map((name) => Date.parse(latest.get(name)));
    return given.every(Number.isFinite) && given[0] < given[1] ? given : span;
  };
  const scale = (factor) => { if (!span) return; const [a, b] = asked(), middle = (a + b) / 2; show(middle - (middle - a) * factor, middle + (b - middle) * factor); };
  const shift = (part) => { if (!span) return; const [a, b] = asked(), by = (b - a) * part; show(a + by, b + by); };
  useGestures(box, span, show, held);
  const key = (event) => {
    const run = { "+": () => scale(0.5), "-": () => scale(2), ArrowLeft: () => shift(-0.25), ArrowRight: () => shift(0.25), 0: () => place({ from: "", to: "" }, true) }[event.key];
    if (run && data) { event.preventDefault(); run(); }
  };
  const other = before && week ? { otherTime: before.time.map((one) => one + WEEK), other: before.value, otherName: t("lastWeek") } : {};
  return html`<div class="bar"><h1 class="clamp" tabindex="0"><a class="soft" href="#/series">${t("series")}</a> / ${called(source)} / ${called(metric)}</h1><span class="soft">${data && data.unit}</span></div>
    <div class="row tools-row"><button onClick=${() => scale(0.5)}>${t("zoomIn")} <kbd>+</kbd></button><button onClick=${() => scale(2)}>${t("zoomOut")} <kbd>−</kbd></button>
      <button onClick=${() => shift(-0.25)}>${t("left")} <kbd>←</kbd></button><button onClick=${() => shift(0.25)}>${t("right")} <kbd>→</kbd></button>
      ${[1, 6, 24].map((one) => html`<button onClick=${() => data && show(asked()[1] - one * HOUR, asked()[1])}>${t("hours", { n: one })}</button>`)}
      <button onClick=${() => place({ from: "", to: "" }, true)}>${t("all")} <kbd>0</kbd></button>
      <button aria-pressed=${week} class=${week ? "on" : ""} onClick=${() => place({ week: week ? "" : 1 })}>${t("lastWeek")}</button>
      <button aria-pressed=${every} class=${every ? "on" : ""} onClick=${() => place({ all: every ? "" : 1 })}>${t("everyValue")}</button></div>
    <section class="card charts" ref=${box} tabindex="0" onKeyDown=${key} aria-label=${`${source} ${metric}. ${t("drag")}`} role="group">
      ${fault ? html`<${Fault} text=${fault} />` : !data ? html`<div class="chart wait"></div>` : !drawn(data) ? html`<p class="soft">${t("noValues")}</p>` : html`
      <p class="soft">${data.fromEvidence ? t(data.time.length ? "fromEvidence" : "windowsOnly") : data.exact ? t("exact", { n: whole(data.count) }) : t("points", { n: whole(data.time.length), all: whole(data.count) })} · ${absolute(data.from)} – ${absolute(data.to)}</p>
      <${Chart} time=${data.time.length ? data.time : data.scoreTime} value=${data.time.length ? data.value : data.median} bandTime=${data.bandTime} low=${data.low} high=${data.high} ...${other}
        alerts=${data.alerts} from=${data.from} to=${data.to} height=${300} sync="series" name=${metric} label=${`${t("values")}: ${source} ${metric}`} onSpan=${show} />
      ${data.scoreTime.length > 0 && html`<h2>${t("scores")}</h2><${Chart} time=${data.scoreTime} value=${data.score} other=${data.levels} otherTime=${data.scoreTime} otherName=${t("level_line")} alerts=${data.alerts} from=${data.from} to=${data.to}
        height=${130} fixed sync="series" name=${t("score")} label=${`${t("scores")}: ${source} ${metric}`} onSpan=${show} />`}`}
      <p class="soft">${t("drag")}${data && data.alerts.length > 0 && ` ${t("marks")}`}</p>${data && html`<${Rest} n=${data.leftOut.alerts} words="alertsUndrawn" /><${Rest} n=${data.leftOut.windows} words="windowsUndrawn" /><${Rest} n=${data.unread} words="alertsUnread" />`}</section>
    ${data && data.alerts.length > 0 && html`<${Rest} n=${data.alerts.length - LISTED + data.leftOut.alerts} words="earlier" /><ul class="plain-list">${data.alerts.slice(-LISTED).map((one) => html`<li><a class="grow" href=${link("incident", [one.incident])}>${recorded(one.summary)}</a>
      ${one.windows.length > 0 && html`<span class="soft">${t("judgedBy", { windows: few(one.windows.map(([a, b]) => `${hour(a / 1000)} – ${hour(b / 1000)}`)) })}</span>`}
      <${Ago} time=${new Date(one.from / 1000).toISOString()} /></li>`)}</ul>`}
    ${data && html`<${WhyNot} source=${source} metric=${metric} at=${why} until=${Math.min(data.to, now())} choose=${(moment) => place({ why: moment })} />`}
    ${span && html`<${Moved} chosen=${[from, to]} span=${span} />`}`;
}

const some = (column) => column.some((one) => one != null);
const drawn = (data) => data.time.length > 0 || some(data.median) || some(data.score);

export const Series = ({ here }) => here.parts.length < 2 ? html`<${Finder} q=${here.parts[0] || ""} />`
  : html`<${One} key=${here.parts.join("/")} source=${here.parts[0]} metric=${here.parts[1]} query=${here.query} />`;

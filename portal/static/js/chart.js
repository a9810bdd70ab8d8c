// uPlot in a component: values with bands, scores below, marks of alerts.
import { html, useLayoutEffect, useRef } from "./lib.js";
import uPlot from "../vendor/uplot.js";
import { language, theme, zone } from "./state.js";

export function colours() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(name).trim();
  return {
    line: of("--line"), band: of("--band"), grid: of("--rule"), text: of("--soft"),
    score: of("--score"), bad: of("--critical"), warn: of("--warning"), other: of("--other"),
  };
}

const MOST_EDGES = 20; // of more windows the edges would hide what they are about

// The window that an alert was judged by: a bar below and its two edges.
function evidence(u, from, to, colour, edged) {
  const { ctx, bbox } = u, edge = bbox.left + bbox.width, thick = 4 * devicePixelRatio;
  const [left, right] = [from, to].map((one) => u.valToPos(one, "x", true));
  if (right < bbox.left || left > edge) return;
  const a = Math.max(left, bbox.left), b = Math.min(right, edge);
  ctx.fillStyle = ctx.strokeStyle = colour;
  ctx.globalAlpha = 0.9;
  ctx.fillRect(a, bbox.top + bbox.height - thick, Math.max(b - a, 2), thick);
  if (!edged) return;
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([thick, thick]);
  ctx.beginPath();
  for (const x of [left, right]) if (x >= bbox.left && x <= edge) { ctx.moveTo(x, bbox.top); ctx.lineTo(x, bbox.top + bbox.height); }
  ctx.stroke();
  ctx.setLineDash([]);
}

function marks(alerts, paint) {
  return (u) => {
    const { ctx, bbox } = u;
    ctx.save();
    for (const one of alerts()) {
      const left = Math.max(u.valToPos(one.from / 1000, "x", true), bbox.left);
      const right = Math.min(one.to ? u.valToPos(one.to / 1000, "x", true) : bbox.left + bbox.width,
        bbox.left + bbox.width);
      if (right < bbox.left || left > bbox.left + bbox.width) continue;
      ctx.fillStyle = one.severity === "CRITICAL" ? paint.bad : paint.warn;
      ctx.globalAlpha = 0.14;
      ctx.fillRect(left, bbox.top, Math.max(right - left, 2), bbox.height);
      ctx.globalAlpha = 0.9;
      ctx.fillRect(left, bbox.top, Math.max(right - left, 2), 4 * devicePixelRatio);
    }
    const windows = alerts().flatMap((one) => (one.windows || []).map(([from, to]) => [from / 1000, to / 1000, one.severity === "CRITICAL" ? paint.bad : paint.warn]));
    const edged = windows.filter(([from, to]) => to >= u.scales.x.min && from <= u.scales.x.max).length <= MOST_EDGES;
    for (const [from, to, colour] of windows) evidence(u, from, to, colour, edged);
    ctx.restore();
  };
}

// Series of unlike times on one axis: uPlot joins them, gaps are bridged.
const bridged = { spanGaps: true, points: { show: false } };

// Marks of the time axis as the rest of the page writes times: the day where it begins, else the hour.
function clockOf() {
  const zoned = zone.value === "utc" ? { timeZone: "UTC" } : {};
  const of = (what) => new Intl.DateTimeFormat(language.value, { ...what, ...zoned });
  const day = of({ month: "short", day: "numeric" });
  const clock = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  const minute = of(clock), second = of({ ...clock, second: "2-digit" });
  return (u, ticks) => {
    let before = "";
    const fine = ticks.length > 1 && ticks[1] - ticks[0] < 60e3, whole = ticks.length > 1 && ticks[1] - ticks[0] >= 86400e3;
    return ticks.map((tick) => {
      const date = day.format(tick), fresh = date !== before;
      before = date;
      return whole ? date : `${(fine ? second : minute).format(tick)}${fresh ? `\n${date}` : ""}`;
    });
  };
}

// uPlot reckons with differences: what lies far from 1 is drawn in other units.
function unitOf(columns) {
  let most = 0;
  for (const column of columns) for (const one of column || []) if (one != null && Number.isFinite(one)) most = Math.max(most, Math.abs(one));
  return most > 1e15 || (most > 0 && most < 1e-15) ? 10 ** Math.floor(Math.log10(most)) : 1;
}

const scaled = (column, unit) => (unit === 1 ? column : column.map((one) => (one == null ? one : one / unit)));

function label(value) {
  const short = +value.toPrecision(6), size = Math.abs(short);
  return size !== 0 && (size >= 1e7 || size < 1e-4) ? short.toExponential().replace("e+", "e") : String(short);
}

const FEW = 40; // so many values in sight have a dot each, or a single one would not be seen

function options(box, paint, given, view, unit) {
  const values = (u, ticks) => ticks.map((one) => (one == null ? "" : label(one * unit)));
  const dots = { size: 5, show: (u, at, from, to) => to - from < FEW };
  const axis = { stroke: paint.text, grid: { stroke: paint.grid, width: 1 }, ticks: { show: false } };
  const series = [{}, { ...bridged, points: dots, label: given.name, stroke: paint.line, width: 1.5 }];
  const bands = [];
  if (given.low) {
    series.push({ ...bridged, label: "high", stroke: "transparent" },
      { ...bridged, label: "low", stroke: "transparent" });
    bands.push({ series: [2, 3], fill: paint.band });
  }
  if (given.other) {
    series.push({ ...bridged, label: given.otherName, stroke: paint.other, width: 1, dash: [4, 3] });
  }
  return {
    width: box.clientWidth, height: given.height, ms: 1, series, bands,
    tzDate: (ms) => (zone.value === "utc" ? uPlot.tzDate(new Date(ms), "Etc/UTC") : new Date(ms)),
    axes: [{ ...axis, space: 76, values: clockOf() }, { ...axis, size: gutter(box), values }],
    scales: { x: { range: () => view.current || [given.from, given.to] }, ...(given.fixed ? { y: { range: [0, 1.02] } } : {}) },
    legend: { show: false },
    cursor: { sync: { key: given.sync }, bind: { dblclick: () => null }, drag: { x: true, y: false, setScale: false } },
    hooks: {
      draw: [marks(() => given.alerts || [], paint)],
      setSelect: [(u) => {
        if (u.select.width > 6 && given.onSpan) {
          given.onSpan(u.posToVal(u.select.left, "x"), u.posToVal(u.select.left + u.select.width, "x"));
        }
        u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
      }],
      setCursor: [(u) => given.onCursor && given.onCursor(u.cursor.idx == null ? null : u)],
    },
  };
}

// Width of the labels left of a chart.
const gutter = (box) => (box.clientWidth < 520 ? 46 : 64);

export function Chart(given) {
  const box = useRef(null);
  const view = useRef(null); // the span that a gesture shows until its values have come
  useLayoutEffect(() => { // in the same frame as the values
    const paint = colours();
    const unit = given.fixed ? 1 : unitOf([given.value, given.low, given.high, given.other]);
    const tables = [[given.time, scaled(given.value, unit)]];
    if (given.low) tables.push([given.bandTime, scaled(given.high, unit), scaled(given.low, unit)]);
    if (given.other) tables.push([given.otherTime, scaled(given.other, unit)]);
    const data = tables.length > 1 ? uPlot.join(tables) : tables[0];
    view.current = null;
    const plot = new uPlot(options(box.current, paint, given, view, unit), data, box.current);
    const look = (event) => { view.current = event.detail; plot.setScale("x", { min: event.detail[0], max: event.detail[1] }); };
    const frame = box.current;
    frame.addEventListener("view", look);
    const watch = new ResizeObserver(() => box.current && plot.setSize({
      width: box.current.clientWidth, height: given.height }));
    watch.observe(box.current);
    return () => { frame.removeEventListener("view", look); watch.disconnect(); plot.destroy(); };
  }, [given.time, given.value, given.low, given.other, given.alerts, given.from, given.to,
    theme.value, zone.value, language.value]);
  return html`<div class="chart" ref=${box} role="img" aria-label=${given.label}></div>`;
}

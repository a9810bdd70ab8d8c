// What depends on what among the sources of an incident: a row for each, what others depend on first,
// and arrows beside them. All that shapes and arrows say stands in words, too.
import { called, Rest } from "../format.js";
import { html } from "../lib.js";
import { t } from "../text.js";

const ROW = 62, LANE = 13, MOST_LANES = 5, NODE = 9;
const middle = (place) => ROW * (place + .5);
const lanes = (one) => Math.min(Math.abs(one.from - one.to), MOST_LANES);

function Arrow({ one, x }) {
  const out = x - NODE - LANE * lanes(one) * 1.33, from = middle(one.from), to = middle(one.to), tip = x - NODE - 1;
  return html`<path class="edge" d=${`M${x - NODE} ${from}C${out} ${from} ${out} ${to} ${tip - 5} ${to}`} /><path class="tip" d=${`M${tip} ${to}l-8-4.5v9z`} />`;
}

// A diamond is the likely cause, a disc has an alert, a ring had one, a small square has none.
function Node({ one, x, y, cause }) {
  const d = cause ? `M${x} ${y - 9}l9 9-9 9-9-9z` : !one.severity ? `M${x - 4} ${y - 4}h8v8h-8z` : `M${x - 6} ${y}a6 6 0 1 0 12 0a6 6 0 1 0-12 0z`;
  return html`<path class=${`node ${one.severity} ${one.firing ? "" : "over"}`} d=${d} />`;
}

// Names stand apart from the sentence: one may turn the direction of what follows.
function DependsOn({ names }) {
  const [before, after] = t("dependsOn", { names: "\0" }).split("\0"), rest = names.length - 3;
  return html`${before}${names.slice(0, 3).map((one, place) => html`${place > 0 && ", "}<bdi>${called(one)}</bdi>`)}${rest > 0 && ` ${t("more", { n: rest })}`}${after}`;
}

function Words({ one, place, topology, decided }) {
  const mine = topology.edges.filter((each) => each.from === place);
  const state = !one.severity ? t("noAlert") : one.firing ? t(one.severity) : t("isOver");
  return html`${one.cause > 0 && (one.cause === 1 || !decided) && html`<b class="first">${t(decided ? "likelyCause" : "mayBeFirst")}</b> · `}${state}${
    mine.length > 0 && html` · <${DependsOn} names=${mine.map((each) => topology.nodes[each.to].source)} />`}${mine.some((each) => each.stated) && ` (${t("fromAdapter")})`}`;
}

export function Topology({ one }) {
  const topology = one.topology, { nodes, edges } = topology;
  if (!edges.length) return null;
  const x = Math.round(2 * NODE + LANE * Math.max(...edges.map(lanes)) + 2), height = ROW * nodes.length;
  return html`<section class="card topology"><h2>${t("topology")}</h2><div class="row-map">
    <svg width=${x + NODE + 3} height=${height} viewBox=${`0 0 ${x + NODE + 3} ${height}`} aria-hidden="true">${edges.map((each) => html`<${Arrow} one=${each} x=${x} />`)}
      ${nodes.map((each, place) => html`<${Node} one=${each} x=${x} y=${middle(place)} cause=${one.decided && each.cause === 1} />`)}</svg>
    <ol>${nodes.map((each, place) => html`<li><b class="name" title=${each.source}>${called(each.source)}</b><span class="soft"><${Words} one=${each} place=${place} topology=${topology} decided=${one.decided} /></span></li>`)}</ol></div>
    <${Rest} n=${topology.left_out} words="withoutPlace" /><p class="soft">${t("topologyHint")}</p></section>`;
}

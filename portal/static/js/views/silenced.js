// What keeps an incident from being sent; each silence links to where it stands on Now, and back.
import { absolute } from "../format.js";
import { html } from "../lib.js";
import { link, now } from "../state.js";
import { named, t } from "../text.js";

export const silenceLink = (name) => link("now", [], { silence: name });

const holds = (one) => (!one.start || Date.parse(one.start) <= now()) && (!one.end || Date.parse(one.end) > now());

// By series, once for each list: there may be a silence a series.
const indexes = new WeakMap();
function ofSeries(list, series) {
  let index = indexes.get(list);
  if (!index) {
    index = new Map();
    for (const one of list) for (const each of one.series) index.set(each, [...(index.get(each) || []), one]);
    indexes.set(list, index);
  }
  return index.get(series) || [];
}

// Silences that mean something open of an incident now; with a fingerprint, this series of it.
export const silencesOf = (incident, series) => (series ? ofSeries(incident.silences, series) : incident.silences).filter(holds);

// The silence that an outcome or a reason names, if it still holds.
export const silenceNamed = (incident, detail) =>
  silencesOf(incident).find((one) => detail === one.id || detail === `${one.id} by ${one.by}`);

const by = (one) => t("by", { name: one.by === "configuration" ? t("byConfiguration") : one.by });
export const SilenceTag = ({ one, words }) => html`<a class="tag" href=${silenceLink(one.id)} title=${`${one.id} ${by(one)}`}>${words}</a>`;

export const aimOf = (one) => (one.what === "one series" ? t("oneSeries") : one.what);

// Silences that hid something real of an incident, also those that have ended: they stand on Health.
// There may be one a series, so the first say it for all.
const FIRST = 3;
export const Hidden = ({ rows, left }) => html`${rows.slice(0, FIRST).map((one) => html`<a class="tag bad" href=${link("health", [], { silence: one.id })}
  title=${`${one.id}: ${aimOf(one)}`}>${t("wasHidden", { by: by(one) })}</a>`)}${
  rows.length + left > FIRST && html`<a class="tag bad" href=${link("health")}>${t("more", { n: rows.length + left - FIRST })}</a>`}`;

export function Suppressed({ one }) {
  const shown = new Set();
  const reasons = one.suppressed.map((why) => {
    const detail = /^silenced \(([^]*)\)$/.exec(why)?.[1], silence = detail && silenceNamed(one, detail);
    if (!silence) return html`<span class="tag">${t("suppressed", { why: named("r", why) })}</span>`;
    shown.add(silence.id);
    return html`<${SilenceTag} one=${silence} words=${t("suppressed", { why: `${named("r", "silenced")} (${by(silence)})` })} />`;
  });
  const others = silencesOf(one).filter((each) => !shown.has(each.id)); // one tag for all: there may be one a series
  if (!others.length) return html`${reasons}`;
  const all = one.silenced && Date.parse(one.silenced) > now();
  const first = (all && others.find((each) => each.end === one.silenced)) || others[0];
  return html`${reasons}<${SilenceTag} one=${first} words=${all ? t("isSilenced", { time: absolute(one.silenced) }) : t("partSilenced", { n: one.silenced_series })} />`;
}

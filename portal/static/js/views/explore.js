// A swim lane for each source: ribbons of scores, bars of alerts, and where to look first.
import { ask, at } from "../api.js";
import { useAnswer } from "../answers.js";
import { absolute, called, Fault, hour, Rest, Severity, whole } from "../format.js";
import { html, useState } from "../lib.js";
import { changes, go, link, rank } from "../state.js";
import { t } from "../text.js";

const HEIGHT = 34;

function order(data) {
  const worst = (rows) => rows.reduce((most, one) => Math.max(most, rank(one.severity)), 0);
  const weights = (rows) => [worst(rows.filter((one) => !one.to)), worst(rows), rows.reduce((sum, one) => sum + rank(one.severity), 0)];
  return Object.keys(data.lanes).map((name) => [name, weights(data.alerts[name] || [])])
    .sort(([a, one], [b, other]) => other[0] - one[0] || other[1] - one[1] || other[2] - one[2] || a.localeCompare(b));
}

// Scores of a lane with the begin of what each is about: a slice is short beside a window, so a score reaches back to
// the one before, if that is no farther away than usual.
export function ribbons(scores, slice) {
  const gaps = scores.slice(1).map(([time], n) => time - scores[n][0]).sort((a, b) => a - b);
  const usual = Math.max((gaps[gaps.length >> 1] || 0) * 1.5, slice);
  return scores.map(([time, score], n) => [Math.max(n ? scores[n - 1][0] + slice : 0, time + slice - usual), time + slice, score]);
}

function Lane({ name, data }) {
  const width = data.to - data.from || 1, x = (time) => Math.min(Math.max((time - data.from) / width * 1000, 0), 1000);
  const scores = ribbons(data.lanes[name] || [], width / 200);
  return html`<li><a class="lane-name" href=${link("series", [name])} onClick=${(event) => { event.preventDefault(); const one = (data.alerts[name] || [])[0];
    if (one) go("series", [name, one.metric_name]); else go("series", [name]); }} title=${name}>${called(name)}</a>
    <svg viewBox=${`0 0 1000 ${HEIGHT}`} preserveAspectRatio="none" height=${HEIGHT} width="100%" role="img" aria-label=${`${name}: ${(data.alerts[name] || []).length}`}>
      <rect class="lane" width="1000" height=${HEIGHT} />${scores.filter(([, , score]) => score > 0.02).map(([from, to, score]) => html`<rect class="ribbon" x=${x(from)} y="0" width=${x(to) - x(from)} height=${HEIGHT} opacity=${Math.min(score, 1) * 0.75} />`)}
      ${(data.alerts[name] || []).map((one) => html`<rect class=${`alert-bar ${one.severity}`} x=${x(one.from)} y=${HEIGHT - 12} width=${Math.max(x(one.to || data.to) - x(one.from), 4)} height="8" onClick=${() => go("incident", [one.incident])}><title>${one.metric_name}</title></rect>`)}</svg></li>`;
}

export function Explore({ here }) {
  const [data, setData] = useState(null);
  const [fault, setFault] = useState("");
  const given = Number(here.query.get("hours")), hours = given > 0 && given <= 24 * 366 ? given : 0;
  useAnswer(async (signal) => {
    const first = await ask(at("/api/series/lanes", { slices: 200 }), { signal });
    if (!hours) return first;
    const from = new Date(first.to / 1000 - hours * 3600e3).toISOString(), to = new Date(first.to / 1000).toISOString();
    return ask(at("/api/series/lanes", { from, to, slices: 200 }), { signal });
  }, [hours], [changes.value], (found) => { setData(found); setFault(""); }, (error) => setFault(error.message));
  const rows = data ? order(data) : [];
  const worst = rows.filter(([, [, most]]) => most > 0).slice(0, 5);
  const choice = (n) => html`<a class=${`button ${hours === n ? "on" : ""}`} aria-current=${hours === n ? "true" : undefined} href=${link("explore", [], { hours: n })}>${n < 48 ? t("hours", { n }) : t("days", { n: n / 24 })}</a>`;
  return html`<div class="bar"><h1>${t("explore")}</h1><div class="row">${[2, 6, 24, 168].map(choice)}</div></div>${fault && html`<${Fault} text=${fault} />`}${!data ? !fault && html`<p class="soft" aria-busy="true">…</p>` : html`
    ${worst.length > 0 && html`<section class="card"><h2>${t("lookFirst")}</h2><ol class="plain-list">${worst.map(([name]) => { const all = data.alerts[name], top = [...all].sort((a, b) => rank(b.severity) - rank(a.severity) || a.from - b.from)[0];
      return html`<li><${Severity} of=${top.severity} quiet=${top.to} /> <a class="grow clamp" href=${link("incident", [top.incident])}><b>${called(name)}</b> ${called(top.metric_name)}</a><span class="soft">${absolute(top.from / 1000)}</span></li>`; })}</ol></section>`}
    <section class="card"><h2>${t("lanes")}</h2><p class="soft">${t("lanesHint")} ${absolute(data.from / 1000)} – ${absolute(data.to / 1000)}</p>
    <ul class="lanes">${rows.map(([name]) => html`<${Lane} key=${name} name=${name} data=${data} />`)}</ul>
    <p class="axis soft"><span>${hour(data.from / 1000)}</span><span>${hour((data.from + data.to) / 2000)}</span><span>${hour(data.to / 1000)}</span></p>
    ${data.count > rows.length && html`<p class="soft">${t("moreSources", { n: whole(data.count - rows.length) })}</p>`}<${Rest} n=${data.alerts_left_out} words="alertsUndrawn" /></section>`}`;
}

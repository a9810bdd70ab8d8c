// Log records: search, the commonest messages, counts over time.
import { ask, at, report } from "../api.js";
import { More, useAnswer, usePages } from "../answers.js";
import { At, Fault, whole } from "../format.js";
import { html, useEffect, useState } from "../lib.js";
import { settle } from "../state.js";
import { named, t } from "../text.js";

const LEVELS = ["critical", "error", "warning", "info", "debug", "trace", "unknown"];

function Statistics({ one }) {
  const most = Math.max(1, ...one.over_time.map(([, n]) => n));
  return html`<section class="card"><h2>${t("records", { n: whole(one.count) })}</h2>
    ${one.over_time.length > 1 && html`<svg class="spark" viewBox=${`0 0 ${one.over_time.length} 20`} preserveAspectRatio="none" width="100%" height="48" role="img" aria-label=${t("records", { n: one.count })}>${
      one.over_time.map(([, n], at_) => html`<rect x=${at_} y=${20 - n / most * 20} width="0.8" height=${n / most * 20} />`)}</svg>`}
    <p class="row">${Object.entries(one.levels).map(([level, n]) => html`<span class="tag"><b class=${`level ${level}`}>${named("lv", level)}</b> ${whole(n)}</span>`)}</p>
    <h3>${t("templates")}</h3><ul class="plain-list">${one.templates.slice(0, 8).map((each) => html`<li><code class="grow clamp">${each.template}</code><b>${whole(each.count)}</b></li>`)}</ul></section>`;
}

export function Logs({ here }) {
  const get = (name) => here.query.get(name) || "";
  const wanted = { q: get("q"), level: get("level"), source: get("source"), from: get("from"), to: get("to") };
  const [q, setQ] = useState(wanted.q);
  const [found, first, more] = usePages();
  const [numbers, setNumbers] = useState(null);
  const [fault, setFault] = useState("");
  const { level: _, ...others } = wanted;
  useEffect(() => setQ(wanted.q), [wanted.q]); // also by a link, or back
  useAnswer((signal) => ask(at("/api/v1/logs", wanted), { signal }), [wanted], [], (one) => { first(one); setFault(""); },
    (error) => { first(null); setFault(error.message); });
  useAnswer((signal) => ask(at("/api/v1/logs/statistics", others), { signal }), [others], [], setNumbers, () => setNumbers(null));
  const put = (fresh) => settle("logs", [], { ...wanted, q, ...fresh }); // what is typed counts, too
  const next = () => more((cursor) => ask(at("/api/v1/logs", { ...wanted, cursor })), report);
  const rows = found ? found.items : [], filtered = Object.values(wanted).some(Boolean);
  return html`<div class="bar"><h1>${t("logs")}</h1><form class="row" role="search" onSubmit=${(event) => { event.preventDefault(); put({ q }); }}>
    <label><span class="hidden">${t("search")}</span><input type="search" placeholder=${t("search")} value=${q} onInput=${(event) => setQ(event.target.value)} /></label>
    <label><span class="hidden">${t("level")}</span><select value=${wanted.level} onChange=${(event) => put({ level: event.target.value })}><option value="">${t("level")}: ${t("any")}</option>${LEVELS.map((one) => html`<option value=${one} selected=${one === wanted.level}>${named("lv", one)}</option>`)}</select></label>
    <button>${t("search")}</button></form></div>${numbers && numbers.count > 0 && html`<${Statistics} one=${numbers} />`}
    ${fault ? html`<${Fault} text=${fault} />` : rows.length === 0 ? html`<p class="soft centred">${t(filtered ? "noRecords" : found ? "noLogsYet" : "")}</p>` : html`<section class="card"><ul class="records">${rows.map((one) => html`<li key=${one.id}><${At} time=${one.time} /> <b class=${`level ${LEVELS.includes(one.level) ? one.level : "unknown"}`}>${named("lv", one.level)}</b> <button class="plain" onClick=${() => put({ source: one.source })}>${one.source || "–"}</button> <code class="clamp" tabindex="0">${one.message}</code></li>`)}</ul>
    ${found.next && html`<${More} run=${next} />`}</section>`}`;
}

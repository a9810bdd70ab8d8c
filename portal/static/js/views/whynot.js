// Why an alert of a series was sent or not, and why there was none, at a time that somebody chooses.
import { ask, at as path } from "../api.js";
import { More, useAnswer, usePages } from "../answers.js";
import { absolute, Fault, number, typed, untyped, whole } from "../format.js";
import { html, useEffect, useState } from "../lib.js";
import { changes } from "../state.js";
import { recorded } from "../said.js";
import { named, t } from "../text.js";

// Rows of a table: what became of a step of an alert on each route.
export const outcomes = (time, kind, rows, silence) => rows.map((each) => {
  const known = each.reason === "silenced" && silence?.(each.detail);
  const detail = each.reason === "handed" ? named("m", each.detail) : each.detail;
  return html`<tr><td><time datetime=${time} title=${absolute(time)}>${absolute(time)}</time></td><td>${t(kind)}</td><td>${each.route || "–"}</td>
    <td>${named("r", each.reason)}${detail && html` (${known ? html`<a href=${known}>${detail}</a>` : detail})`}</td></tr>`;
});

export const Head = () => html`<thead><tr><th>${t("at")}</th><th>${t("state")}</th><th>${t("route")}</th><th>${t("reason")}</th></tr></thead>`;

// Without an alert: out of what is known of the readings and windows of that time.
const unalerted = (seen) => t(`unalerted_${seen.kind}`, { readings: whole(seen.readings), windows: whole(seen.windows),
  score: number(seen.score, 3), time: seen.time ? absolute(seen.time) : "" });

// A first page that is new, with the pages that somebody asked for behind it.
const longer = (old, one) => (old && one?.next && old.items.length > one.items.length
  ? { ...old, items: [...one.items, ...old.items.slice(one.items.length)] } : one);

export function WhyNot({ source, metric, at, until, choose }) {
  const [found, first, more] = usePages();
  const [fault, setFault] = useState("");
  const wanted = { source, metric, at };
  useEffect(() => { first(null); setFault(""); }, [at]);
  useAnswer((signal) => (at ? ask(path("/api/why-not", wanted), { signal }) : Promise.resolve(null)), [source, metric, at], [changes.value],
    (one) => { first(longer(found, one)); setFault(""); }, (error) => setFault(error.message));
  const submit = (event) => {
    event.preventDefault();
    const moment = untyped(new FormData(event.target).get("at"));
    if (Number.isFinite(moment)) choose(new Date(moment).toISOString());
  };
  const next = () => more((cursor) => ask(path("/api/why-not", { ...wanted, cursor })), (error) => setFault(error.message));
  return html`<section class="card whynot"><h2>${t("whyNot")}</h2><form class="row" onSubmit=${submit}><label>${t("whyNotAt")}
    <input type="datetime-local" step="1" name="at" required key=${at} defaultValue=${typed(Date.parse(at) || until)} /></label><button>${t("whyNotAsk")}</button></form>
    ${fault && html`<${Fault} text=${fault} />`}${found && (found.items.length === 0 ? html`<p role="status">${unalerted(found.seen)}</p>` : html`
    <div class="wide" tabindex="0" role="region" aria-label=${t("whyNot")}><table><${Head} /><tbody>${
      found.items.flatMap((one) => outcomes(one.time, one.kind, one.outcomes))}</tbody></table></div>${found.next && html`<${More} run=${next} />`}`)}</section>`;
}

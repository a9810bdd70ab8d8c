// Two runs side by side: what `padit diff` finds, with its reasons.
import { all, ask, id, report } from "../api.js";
import { useAnswer } from "../answers.js";
import { absolute, Fault, Rest, Severity, whole } from "../format.js";
import { html, useEffect, useState } from "../lib.js";
import { go } from "../state.js";
import { check, recorded } from "../said.js";
import { t } from "../text.js";

function Changes({ title, rows, count }) {
  if (!rows || rows.length === 0) return null;
  const side = (one) => one && html`<span><${Severity} of=${one.severity} /> ${recorded(one.summary)} <span class="soft">${absolute(one.opened)}</span></span>`;
  return html`<section class="card"><h2>${title} <span class="soft">${whole(count)}</span></h2><ul class="changes">${rows.map((one) => html`<li>${side(one.left)}${one.left && one.right && html`<br />`}${
    side(one.right)}${one.why.length > 0 && html`<ul>${one.why.map((why) => html`<li class="soft">${check(why)}</li>`)}</ul>`}</li>`)}</ul><${Rest} n=${count - rows.length} /></section>`;
}

export function Compare({ here }) {
  const [names, setNames] = useState(null);
  const [found, setFound] = useState(null);
  const [fault, setFault] = useState("");
  const left = here.query.get("left") || "", right = here.query.get("right") || "";
  useAnswer((signal) => all("/api/compare", { signal }), [], [], setNames, report);
  useEffect(() => { setFound(null); setFault(""); }, [left, right]);
  const path = (name) => id(name.replaceAll("/", "~"));
  useAnswer(async (signal) => (left && right ? ask(`/api/compare/${path(left)}/${path(right)}`, { signal }) : null), [left, right], [],
    setFound, (error) => setFault(error.message));
  const choose = (event) => { event.preventDefault(); const form = new FormData(event.target); go("compare", [], { left: form.get("left"), right: form.get("right") }); };
  const select = (name, words, value) => html`<label>${words}<select name=${name}>${names.map((one) => html`<option selected=${one === value}>${one}</option>`)}</select></label>`;
  return html`<h1>${t("compare")}</h1>${fault && html`<${Fault} text=${fault} />`}${names && html`<form class="card row" onSubmit=${choose}>${select("left", t("runA"), left)}${select("right", t("runB"), right || names[names.length - 1])}<button class="strong">${t("doCompare")}</button></form>
    ${names.length < 2 && html`<p class="soft">${t("oneRun")}</p>`}`}${found && (found.equal ? html`<p class="big">${t("equal", { n: whole(found.transitions[0]) })}</p>` : html`
    ${found.settings.length > 0 && html`<section class="card"><h2>${t("settingsDiffer")}</h2><table><tbody>${found.settings.map((one) => html`<tr><td>${one.path}</td><td>${one.left}</td><td>${one.right}</td></tr>`)}</tbody></table><${Rest} n=${found.counts.settings - found.settings.length} /></section>`}
    ${[["removed", "removed"], ["added", "added"], ["movedRuns", "moved"], ["altered", "altered"]].map(([words, name]) => html`<${Changes} title=${t(words)} rows=${found[name]} count=${found.counts[name]} />`)}`)}`;
}

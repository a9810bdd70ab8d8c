// Another configuration over the recorded past: pages now and then, and what would be missed.
import { ask, post, report } from "../api.js";
import { copy, curl } from "../actions.js";
import { absolute, Rest, Severity, span, whole } from "../format.js";
import { html, useEffect, useRef, useState } from "../lib.js";
import { link, now, route, settle, summary } from "../state.js";
import { packed, unpacked } from "../packing.js";
import { recorded } from "../said.js";
import { named, t } from "../text.js";
import { addTo, eachRoute, setIn, setTop } from "../yaml.js";

function Quick({ text, setText }) {
  const [score, setScore] = useState("0.8");
  const [least, setLeast] = useState("2m");
  const [window, setWindow] = useState("10m");
  const [source, setSource] = useState("");
  const field = (words, value, set, run, size = 6) => html`<div class="quick"><label>${words}<input value=${value} size=${size} onInput=${(event) => set(event.target.value)} /></label>
    <button type="button" aria-label=${`${t("apply")}: ${words}`} onClick=${run}>${t("apply")}</button></div>`;
  const iso = (ms) => new Date(ms).toISOString();
  const put = (next) => (next === null ? report(new Error(t("writeByHand"))) : setText(next));
  const mute = () => source && put(addTo(text, "silences", `{id: trial, start: "${iso(now() - 365 * 86400e3)}", end: "${iso(now() + 86400e3)}", match: {source: [${JSON.stringify(source)}]}}`));
  return html`<div class="quicks">${field(t("leastScore"), score, setScore, () => put(setTop(text, "min_score", score)))}
    ${field(t("minDuration"), least, setLeast, () => put(eachRoute(text, "min_duration", least)))}
    ${field(t("window"), window, setWindow, () => put(setIn(text, "incidents", "window", window)))}
    ${field(t("addSilence"), source, setSource, mute, 12)}</div>`;
}

function Bars({ rows }) {
  const most = Math.max(1, ...Object.values(rows).flat());
  return html`<table class="bars"><tbody>${Object.entries(rows).map(([name, [a, b]]) => html`<tr><th scope="row">${name || "–"}</th>
    <td><svg viewBox="0 0 100 14" preserveAspectRatio="none" width="100%" height="16" aria-hidden="true"><rect class="before" y="0" height="6" width=${a / most * 100} /><rect class="after" y="8" height="6" width=${b / most * 100} /></svg></td>
    <td class="figure">${whole(a)} → ${whole(b)}</td></tr>`)}</tbody></table>`;
}

const SHOWN = 50; // of a list

function Result({ one }) {
  const list = (title, rows, draw, count) => html`<section class="card"><h2>${title} <span class="soft">${whole(count ?? rows.length)}</span></h2>
    ${rows.length === 0 ? html`<p class="soft">${t("none")}</p>` : html`<ul class="plain-list">${rows.slice(0, SHOWN).map(draw)}</ul><${Rest} n=${(count ?? rows.length) - Math.min(rows.length, SHOWN)} />`}</section>`;
  const sign = (s) => `${s > 0 ? "+" : "−"}${span(Math.abs(s) * 1000)}`;
  return html`<section class="card verdict" id="verdict"><h2>${t("pages")}</h2><p class="big">${whole(one.total[0])} → ${whole(one.total[1])}</p><p class="soft">${t("nowThen")}, ${t("transitions", { n: whole(one.transitions) })}</p></section>
    <div class="columns"><section class="card"><h2>${t("perRoute")}</h2><${Bars} rows=${one.pages} /></section><section class="card"><h2>${t("perDay")}</h2><${Bars} rows=${one.days} /></section></div>
    ${one.hidden.length > 0 && list(t("hidden"), one.hidden, (each) => html`<li>${each.source_id} ${each.metric_name}: ${named("r", each.reason)}</li>`, one.hidden_count)}
    ${list(t("missed"), one.missed, (each) => html`<li><${Severity} of=${each.severity} /> <a class="grow" href=${link("incident", [each.incident])}>${recorded(each.summary)}</a> <span class="soft">${absolute(each.opened)}</span></li>`, one.missed_count)}
    ${list(t("later"), one.later, (each) => html`<li><span class="grow">${recorded(each.summary)}</span><b>${sign(each.seconds)}</b></li>`, one.later_count)}`;
}

export function WhatIf({ here }) {
  const [text, setText] = useState(null);
  const [result, setResult] = useState(null);
  const [busy, setBusy] = useState(false);
  const [fault, setFault] = useState("");
  const tried = here.query.get("config") || "", known = useRef("");
  const present = () => ask("/api/config").then((one) => setText((old) => old ?? one.config), report);
  const trial = useRef(null); // the latest one: no other changes what is shown
  const run = async (config, address = "") => {
    trial.current?.abort();
    const { signal } = trial.current = new AbortController();
    setBusy(true);
    try {
      known.current = address || await packed(config);
      if (signal.aborted) return;
      if (!address && route.peek().view === "whatif") settle("whatif", [], { config: known.current });
      const found = await post("/api/whatif", { config }, { signal });
      if (signal.aborted) return;
      setResult(found);
      setFault("");
    } catch (error) {
      if (signal.aborted) return;
      setResult(null); // what is shown is of what was tried
      setFault(error.message);
    }
    setBusy(false);
  };
  useEffect(() => { // what was tried stands in the address
    let stale = false;
    if (!tried) present();
    else if (tried !== known.current) {
      trial.current?.abort();
      unpacked(tried).then((config) => { if (!stale) { setText(config); run(config, tried); } },
        () => { if (!stale) { setBusy(false); setFault(t("linkBroken")); present(); } });
    }
    return () => { stale = true; };
  }, [tried]);
  useEffect(() => () => trial.current?.abort(), []);
  return html`<h1>${t("whatif")}</h1><section class="card"><h2>${t("tryTitle")}</h2><p class="soft">${t("tryHint")}</p>
    ${text !== null && html`<${Quick} text=${text} setText=${setText} /><label>${t("yaml")}<textarea spellcheck="false" rows="9" value=${text} onInput=${(event) => setText(event.target.value)}></textarea></label>
    ${fault && html`<p class="fault" role="alert">${fault}</p>`}<div class="row end"><button onClick=${() => copy(text)}>${t("copyYaml")}</button>
    <button onClick=${() => copy(curl("/api/whatif", { config: text }))}>${t("copyCurl")}</button>
    <button class="strong" id="run" disabled=${busy} onClick=${() => run(text)}>${busy ? "…" : t("run")}</button></div>`}</section>${result ? html`<${Result} one=${result} />` : text !== null && !fault && summary.value && html`<p class="soft centred">${t(summary.value.n ? "notTried" : "nothingToTry")}</p>`}`;
}

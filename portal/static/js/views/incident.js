// One incident: its story, chart, timeline, series, messages, and why each was sent or not.
import { act, actOnSeries, copy, curl, judge, may, silenceDialog } from "../actions.js";
import { all, ask, at, id, report } from "../api.js";
import { More, useAnswer, useFurther } from "../answers.js";
import { Chart } from "../chart.js";
import { absolute, Ago, At, called, Fault, number, Rest, Severity, span, Taken, whole } from "../format.js";
import { html, useEffect, useState } from "../lib.js";
import { changes, chosen, link, now, texts } from "../state.js";
import { because, check, fault as refusal, part, recorded, struck, told, verdict } from "../said.js";
import { named, t } from "../text.js";
import { policyOf } from "../yaml.js";
import { Hidden, silenceLink, silenceNamed, silencesOf, SilenceTag, Suppressed } from "./silenced.js";
import { Topology } from "./topology.js";
import { Head, outcomes } from "./whynot.js";

function Story({ story }) {
  const third = (title, lines) => lines.length > 0 && html`<div><h3>${title}</h3>${lines.map((one) => html`<p>${told(one)}</p>`)}</div>`;
  return html`<section class="card"><h2>${t("story")}</h2><div class="story">${third(t("storyCause"), story.cause)}
    ${third(t("storyFirst"), story.first)}${third(t("storyImpact"), story.impact)}</div></section>`;
}

const seriesOf = (one) => new Map(one.alerts.map((each) => [each.id, `${each.source_id} ${each.metric_name}`]));

// What a language model wrote and what of it checks; it comes sentence by sentence.
function Written({ one }) {
  const [found, setFound] = useState(null);
  const grown = texts.value[one.id] || 0;
  useAnswer((signal) => ask(`/api/incidents/${id(one.id)}/text`, { signal }), [one.id], [grown, changes.value], setFound, report);
  if (!found || found.state === "off") return null;
  const names = seriesOf(one);
  const many = found.struck.length;
  return html`<section class="card written" aria-live="polite" data-state=${found.state}><h2>${t("written")} <span class="soft">${t(`text_${found.state}`)}</span></h2>
    ${found.sentences.map((each) => html`<p>${each.text} <span class="soft">${[...new Set(each.alerts.map((name) => names.get(name)))].filter(Boolean).join(", ")}</span></p>`)}
    ${found.sentences.length === 0 && found.state === "written" && html`<p class="soft">${t("nothingChecks")}</p>`}
    ${found.why && html`<p class="soft">${refusal(found.why)}</p>`}
    ${many > 0 && html`<details><summary class="soft">${t("struck", { n: many })}</summary><ul class="plain-list">${found.struck.map((why) => html`<li class="soft">${struck(why)}</li>`)}</ul></details>`}
    <p class="soft">${t("writtenHint")}</p></section>`;
}

function Causes({ one }) {
  if (one.sources.length < 2) return null;
  return html`<section class="card"><h2>${one.decided ? t("likely", { name: one.causes[0].source }) : t("unsure")}</h2><ul class="plain-list">${
    one.causes.map((each) => html`<li><span class="grow"><b>${each.source}</b> <span class="soft">${because(each.speaks)}</span></span>
      <meter min="0" max="1" value=${each.score} aria-label=${each.source}></meter> ${t("margin", { n: `${Math.round(each.score * 100)} %` })}</li>`)}</ul></section>`;
}

const PICTURE_MS = 10e3;

function Picture({ one }) {
  const [data, setData] = useState(null);
  const [fault, setFault] = useState("");
  const member = one.members[0];
  const from = Date.parse(one.opened), until = one.closed ? Date.parse(one.closed) : now();
  const margin = Math.max(20 * 60e3, (until - from) / 2);
  const end = new Date(until + (one.closed ? margin / 2 : 30e3)).toISOString(); // what is open goes on, and is asked for again
  useAnswer((signal) => ask(at("/api/series/values", { source: member.source_id, metric: member.metric_name, from: new Date(from - margin).toISOString(), to: end, points: 1500 }), { signal }),
    [one.id, one.closed, member.fingerprint], [one.closed ? 0 : Math.floor(until / PICTURE_MS)], (found) => { setData(columns(found)); setFault(""); }, (error) => setFault(error.message));
  const name = `${called(member.source_id)} ${called(member.metric_name)}`;
  return html`<section class="card"><h2><a href=${link("series", [member.source_id, member.metric_name],
    { from: new Date(from - margin).toISOString(), to: end })}>${name}</a>
    <span class="soft"> ${data && data.unit}</span></h2>${fault ? html`<${Fault} text=${fault} />` : !data ? html`<div class="chart wait"></div>` : data.time.length === 0
      ? html`<p class="soft">${t("noValues")}</p>` : html`<${Chart} ...${data} height=${220} name=${name} label=${name} />`}</section>`;
}

export function columns(found) {
  const win = found.windows, ms = (list) => list.map((one) => one / 1000);
  const banded = win.expected_low && win.expected_low.some((one) => one != null);
  return {
    time: ms(found.time_us), value: found.value, unit: found.unit, alerts: found.alerts,
    bandTime: ms(win.time_us), low: banded ? win.expected_low : null, high: banded ? win.expected_high : null,
    scoreTime: ms(win.time_us), score: win.score || [], levels: win.level || [], median: win.median || [],
    leftOut: found.left_out, unread: found.alerts_unread || 0, exact: found.exact, count: found.count, fromEvidence: found.from_evidence,
    from: found.from / 1000, to: found.to / 1000,
  };
}

// The latest part of it; what was before comes for who asks.
function Timeline({ one: incident, names }) {
  const path = `/api/incidents/${id(incident.id)}/timeline`;
  const [parts, further, more] = useFurther(path, incident.timeline_next, [changes.value],
    (cursor, signal) => ask(at(path, { cursor, limit: 200 }), { signal }), report);
  const rows = [...parts.flatMap((each) => each.items).reverse(), ...incident.timeline], left = incident.left_out.timeline;
  const about = (one) => one.alerts && one.count < incident.alerts.length + incident.left_out.alerts && `${one.alerts.map((each) => names.get(each)).filter(Boolean).join(", ")}${
    one.count > one.alerts.length ? ` ${t("more", { n: whole(one.count - one.alerts.length) })}` : ""}`;
  return html`<section class="card"><h2>${t("timeline")}</h2>${further && html`<p class="centred"><button onClick=${more}>${t("before")}</button></p>`}<ol class="timeline" tabindex="0">${rows.map((one) => html`<li class=${one.severity || "person"}>
    <${At} time=${one.time} /> ${one.by ? html`<b>${one.by}</b> ${one.kind === "feedback" ? t("did_feedback", { verdict: named("j", one.note) }) : t(`did_${one.kind}`)} ${about(one) || ""}${one.kind !== "feedback" && one.note && `: ${one.note}`}`
      : html`${t(one.kind)} <b>${one.source_id}</b> ${one.metric_name} ${one.kind !== "resolved" && html`<${Severity} of=${one.severity} />`}`}</li>`)}</ol><${Rest} n=${left} words="between" /></section>`;
}

// Somebody may have one series of several; who has the whole stands above.
function Holder({ one, whole }) {
  if (one.closed || whole || !may()) return html`<${Taken} one=${one} />`;
  const what = one.acknowledged_by ? "unacknowledge" : "acknowledge";
  return html`<${Taken} one=${one} /> <button aria-label=${`${t(what)}: ${one.source_id} ${one.metric_name}`} onClick=${() => actOnSeries(what, one.alert)}>${t(what)}</button>`;
}

function Members({ one: incident }) {
  const path = `/api/incidents/${id(incident.id)}/members`;
  const [parts, further, more] = useFurther(path, incident.members_next, [changes.value],
    (cursor, signal) => ask(at(path, { cursor, limit: 500 }), { signal }), report);
  const known = new Map([...parts.flatMap((each) => each.items), ...incident.members].map((one) => [one.fingerprint, one]));
  const rows = [...new Set([...incident.members, ...parts.flatMap((each) => each.items)].map((one) => one.fingerprint))].map((name) => known.get(name));
  const several = rows.length > 1, left = incident.members.length + incident.more - rows.length;
  const silenced = (series) => {
    const mine = [incident, ...parts].flatMap((each) => silencesOf(each, series)), rest = mine.length - 3;
    return html`${mine.slice(0, 3).map((each) => html` <${SilenceTag} one=${each} words=${named("r", "silenced")} />`)}${rest > 0 && ` ${t("more", { n: rest })}`}`;
  };
  return html`<section class="card"><h2>${t("members")}</h2><div class="wide" tabindex="0" role="region" aria-label=${t("members")}><table><thead><tr><th>${t("severity")}</th><th>${t("series")}</th><th>${t("score")}</th>
    <th>${t("opened")}</th><th>${t("resolved")}</th><th>${t("evidence")}</th></tr></thead><tbody>${rows.map((one) => html`<tr><td><${Severity} of=${one.severity} quiet=${one.closed} /></td>
    <td><div class="holder"><a class="clamp" href=${link("series", [one.source_id, one.metric_name])}>${called(one.source_id)} ${called(one.metric_name)}</a>${!one.closed && silenced(one.fingerprint)}${several && html`<${Holder} one=${one} whole=${incident.acknowledged_by} />`}</div></td><td>${number(one.score, 3)}</td>
    <td><${At} time=${one.opened} /></td><td>${one.closed ? html`<${At} time=${one.closed} />` : t("open")}</td><td><span class="clamp">${recorded(one.summary)}</span></td></tr>`)}</tbody></table></div><${Rest} n=${left} />${further && html`<${More} run=${more} />`}</section>`;
}

// Every attempt to deliver a message: when, and what came of it.
function Attempts({ one }) {
  const tries = Math.max(one.attempts, one.tried.length);
  const count = html`${t(tries === 1 ? "attempt" : "attempts", { n: tries })}${one.reason && `: ${one.reason}`}`;
  if (!one.tried.length) return html`<span class="soft">${count}</span>`;
  return html`<details class="tries"><summary class="soft">${count}</summary><ol class="plain-list">${one.tried.map((each) => html`<li><${At} time=${each.time} />
    <span class="grow soft">${each.reason}</span><span class=${`tag ${each.state === "delivered" ? "good" : "bad"}`}>${named("s", each.state)}</span></li>`)}</ol><${Rest} n=${one.attempts - one.tried.length} words="earlier" /></details>`;
}

function Told({ one }) {
  return html`<section class="card"><h2>${t("told")}</h2>${one.messages.length === 0 ? html`<p class="soft">${t("toldNobody")}</p>` : html`
    ${!one.delivers && html`<p class="soft">${t("toldPage")}</p>`}<${Rest} n=${one.left_out.messages} words="earlier" /><ul class="plain-list">${one.messages.map((each) => html`<li><${At} time=${each.time} />
      <span class="grow"><b>${each.receiver}</b> ${named("m", each.kind)} <span class="soft">${t("route")} ${each.route}</span></span>
      ${one.delivers && html`<span class=${`tag ${each.state === "delivered" ? "good" : each.state === "dead" ? "bad" : ""}`}>${named("s", each.state)}</span>
      <${Attempts} one=${each} />`}</li>`)}</ul>`}</section>`;
}

// One alert: what became of each of its steps, kept up to date while it is open; computed again.
function Alert({ one, incident }) {
  const [open, setOpen] = useState(false);
  const [found, setFound] = useState(null);
  const [again, setAgain] = useState(null);
  useAnswer(async (signal) => (open ? ask(`/api/alerts/${id(one.id)}`, { signal }) : null), [one.id, open], [one.steps.length, changes.value],
    (each) => each && setFound(each), report);
  const compute = () => ask(`/api/alerts/${id(one.id)}/recomputed`).then(setAgain, report);
  const silence = (detail) => { const known = silenceNamed(incident, detail); return known && silenceLink(known.id); };
  return html`<details onToggle=${(event) => setOpen(event.target.open)}><summary>
    <${Severity} of=${one.severity} quiet=${one.closed} /> ${one.source_id} ${one.metric_name}</summary>${found && html`
    <table><${Head} /><tbody>${found.steps.flatMap((step) => outcomes(step.time, step.kind, found.outcomes[step.id] || [], silence))}</tbody></table>
    <p class="row"><span class="soft">${t("detector")}: ${one.detector} ${found.provenance.detector.version || ""}</span>
    <button onClick=${compute}>${t("recompute")}</button>${again && html`<b>${t("verdict", { v: verdict(again.verdict) })}</b>`}</p>
    ${again && html`<ul class="checks">${again.checks.map((each) => html`<li class=${each.state}>${part(each.what)}: ${verdict(each.state)} <span class="soft">${check(each.text)}</span></li>`)}</ul>`}`}</details>`;
}

// The first alerts of it; the others, from the latest on, for who asks.
function Why({ incident }) {
  const path = at("/api/alerts", { incident: incident.id, limit: 500 }), known = new Set(incident.alerts.map((one) => one.id));
  const [parts, further, more] = useFurther(path, incident.left_out.alerts ? "" : null, [changes.value], (cursor, signal) => ask(at(path, { cursor }), { signal }), report);
  const others = parts.flatMap((one) => one.items).filter((one) => !known.has(one.id)), left = incident.left_out.alerts - others.length;
  return html`<section class="card"><h2>${t("why")}</h2>${
    [...incident.alerts, ...others.reverse()].map((one) => html`<${Alert} key=${one.id} one=${one} incident=${incident} />`)}<${Rest} n=${left} />${left > 0 && further && html`<${More} run=${more} />`}</section>`;
}

function Records({ one }) {
  const [rows, setRows] = useState(null);
  const from = new Date(Date.parse(one.opened) - 10 * 60e3).toISOString();
  const to = new Date((one.closed ? Date.parse(one.closed) : now()) + 60e3).toISOString();
  const [further, setFurther] = useState(false);
  useAnswer((signal) => ask(at("/api/v1/logs", { from, to, limit: 20 }), { signal }), [one.id, one.closed], [],
    (found) => { setRows(found.items); setFurther(Boolean(found.next)); }, () => setRows([]));
  return html`<section class="card"><h2><a href=${link("logs", [], { from, to })}>${t("logsThen")}</a></h2>${rows && (rows.length === 0
    ? html`<p class="soft">${t("noLogs")}</p>` : html`<ul class="records">${rows.map((each) => html`<li><${At} time=${each.time} /> <b class=${`level ${each.level}`}>${named("lv", each.level)}</b> ${each.source} <code class="clamp" tabindex="0">${each.message}</code></li>`)}</ul>${further && html`<p><a href=${link("logs", [], { from, to })}>${t("more2")}</a></p>`}`)}</section>`;
}

const VERDICTS = ["real", "noise", "duplicate", "routine"];

export function Incident({ here }) {
  const name = here.parts[0] || "";
  const [one, setOne] = useState(null);
  const [gone, setGone] = useState("");
  const [config, setConfig] = useState(null); // for the copy as YAML
  useAnswer((signal) => ask("/api/config", { signal }), [], [], setConfig, () => {});
  useEffect(() => {
    chosen.value = name;
    setOne(null);
    setGone(name ? "" : t("incidentGone"));
  }, [name]);
  useAnswer(async (signal) => (name ? ask(`/api/incidents/${id(name)}`, { signal }) : null), [name], [changes.value], (found) => { if (found) { setOne(found); setGone(""); } },
    (error) => { // what is shown stays, unless it is no more
      if (error.status === 404) setGone(t("incidentGone"));
      else setOne((old) => { if (!old) setGone(error.message); return old; });
    });
  if (gone) return html`<h1>${t("incident")}</h1><${Fault} text=${gone} /><p><a class="button" href=${link("now")}>${t("now")}</a></p>`;
  if (!one) return html`<p class="soft" aria-busy="true">…</p>`;
  const path = `/api/incidents/${one.id}/acknowledge`;
  const yaml = (alerts) => { // of what is open of it, as the dialog of a silence offers it
    const still = alerts.filter((each) => each.state === "open"), from = now();
    copy(policyOf(one, still.length ? still : alerts, config, new Date(from).toISOString(), new Date(from + 3600e3).toISOString()));
  };
  const copyYaml = () => { // at once where all is here: some browsers let only a click write
    if (one.left_out.alerts) all(at("/api/alerts", { incident: one.id })).then(yaml, report); else yaml(one.alerts);
  };
  return html`<div class="bar heading"><div class="grow"><div class="top"><${Severity} of=${one.severity} quiet=${!one.firing} />
    <span class="age" title=${absolute(one.opened)}>${one.firing ? t("since", { span: span(now() - Date.parse(one.opened)) })
      : html`<${Ago} time=${one.closed} /> · ${t("lasted", { span: span(Date.parse(one.closed) - Date.parse(one.opened)) })}`}</span>
    <${Taken} one=${one} />
    <${Suppressed} one=${one} /><${Hidden} rows=${one.hidden_by} left=${one.left_out.hidden_by} /></div><h1 class="clamp" tabindex="0">${recorded(one.title)}</h1></div>
    <div class="acts">${one.firing && html`${one.acknowledged_by ? html`<button onClick=${() => act("unacknowledge", [one.id])}>${t("unacknowledge")}</button>`
      : html`<button class="strong" onClick=${() => act("acknowledge", [one.id])}>${t("acknowledge")} <kbd>a</kbd></button>`}
      <button onClick=${() => silenceDialog([one.id])}>${t("silence")} <kbd>s</kbd></button>
      <button onClick=${() => act("resolve", [one.id])}>${t("resolve")} <kbd>r</kbd></button>`}
      <button onClick=${() => copy(curl(path, {}))}>${t("copyCurl")}</button><button disabled=${!config} onClick=${copyYaml}>${t("copyYaml")}</button></div></div>
    <${Story} story=${one.story} /><${Written} one=${one} /><${Causes} one=${one} /><${Topology} one=${one} /><${Picture} one=${one} /><div class="columns"><${Timeline} key=${`t${one.id}`} one=${one} names=${seriesOf(one)} /><${Told} one=${one} /></div>
    <${Members} key=${`m${one.id}`} one=${one} /><${Why} key=${`w${one.id}`} incident=${one} /><${Records} one=${one} />
    ${may() && html`<section class="card"><h2>${t("feedback")}</h2><div class="row">${VERDICTS.map((each) => html`<button onClick=${() => judge(one.id, each)}>${t(each)}</button>`)}</div></section>`}`;
}

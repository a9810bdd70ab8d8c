// Dialogs: silence with a preview, keys, settings.
import { ask, post } from "./api.js";
import { copy, curl, each, silence } from "./actions.js";
import { few, whole } from "./format.js";
import { disconnect } from "./live.js";
import { html, useEffect, useRef, useState } from "./lib.js";
import { dialog, keep, language, now, session, theme, zone } from "./state.js";
import { recorded } from "./said.js";
import { exactly, matcher, silences } from "./yaml.js";
import { languages, named, t } from "./text.js";

function Frame({ title, children }) {
  const box = useRef(null);
  useEffect(() => { box.current.showModal(); }, []);
  const shut = () => { dialog.value = null; };
  return html`<dialog ref=${box} aria-label=${title} onClose=${shut}
      onClick=${(event) => event.target === box.current && shut()}>
    <div class="inside"><header><h2>${title}</h2>
      <button class="plain" aria-label=${t("close")} onClick=${shut}>✕</button></header>
    ${children}</div></dialog>`;
}

const LENGTHS = ["30min", "1h", "4h", "1d", "7d"];

const AT_ONCE = 2000; // silences of one request

// What the silences of a choice name, each for itself.
function aims(kind, incident, source, metric) {
  if (kind === "series") return incident.members.map((one) => ({ fingerprint: one.fingerprint }));
  if (kind === "source") return incident.sources.map((one) => ({ source: exactly(one) }));
  if (kind === "pattern") return [{ source, metric }];
  const [label, value] = JSON.parse(kind);
  return [{ labels: { [label]: exactly(value) } }];
}

// The same as requests; many silences are one.
function bodies(list, until, note) {
  if (list.length === 1) return [{ ...list[0], until, note }];
  return Array.from({ length: Math.ceil(list.length / AT_ONCE) }, (_, n) => ({ any: list.slice(n * AT_ONCE, (n + 1) * AT_ONCE), until, note }));
}

// Labels that all of the series have, as choices: few, and the ones that say least last.
function common(members) {
  const [first, ...others] = members;
  return Object.entries(first.labels || {}).filter(([name, value]) => value && others.every((one) => (one.labels || {})[name] === value)).slice(0, 3);
}

// The same for the file of `padit alerting`, where a series has names and no fingerprint.
function yaml(list, members, end, note) {
  const known = new Map(members.map((one) => [one.fingerprint, one]));
  const match = list.map((one) => {
    const series = known.get(one.fingerprint);
    const source = series ? exactly(series.source_id) : one.source, metric = series ? exactly(series.metric_name) : one.metric;
    return matcher([source || "*"], [metric || "*"], one.labels);
  });
  return silences(match, "by-hand", new Date(now()).toISOString(), end, note);
}

function usePreview(list) {
  const [found, setFound] = useState(null);
  const key = JSON.stringify(list);
  useEffect(() => {
    let stale = false;
    const timer = setTimeout(async () => {
      try {
        const results = await each(list, (one) => post("/api/silences/preview", one));
        const failed = results.find((one) => one.error);
        if (failed) throw failed.error;
        const parts = results.map((one) => one.value);
        const sum = (name) => parts.reduce((total, one) => total + one[name], 0);
        if (!stale) setFound({ key, open: parts.flatMap((one) => one.open).length, past: sum("past_alerts"),
          real: sum("past_real"), series: sum("series"), until: parts[0].until, text: "" });
      } catch (error) { if (!stale) setFound({ key, text: error.message }); }
    }, 120);
    return () => { stale = true; clearTimeout(timer); };
  }, [key]);
  return found && found.key === key ? found : null; // that of another choice counts for none
}

function Silence({ incident }) {
  const [kind, setKind] = useState("series");
  const [until, setUntil] = useState("1h");
  const [note, setNote] = useState("");
  const [source, setSource] = useState(exactly(incident.sources[0]));
  const [metric, setMetric] = useState("*");
  const [busy, setBusy] = useState(false);
  const give = () => { setBusy(true); silence(list).finally(() => setBusy(false)); };
  const each_ = aims(kind, incident, source, metric), list = bodies(each_, until, note);
  const found = usePreview(list.map(({ note: _, ...one }) => one));
  const choice = (value, words) => html`<label class="choice"><input type="radio" name="kind" autofocus=${value === kind} checked=${kind === value}
    onChange=${() => setKind(value)} /><span class="grow">${words}</span></label>`;
  const n = incident.members.length;
  return html`<${Frame} title=${t("silenceTitle")}>
    <p class="soft clamp">${recorded(incident.title)}</p>
    <fieldset><legend>${t("what")}</legend>${choice("series", `${t(incident.several ? "theseSeries" : "thisSeries")}${n > 1 ? ` (${whole(n)})` : ""}`)}
      ${choice("source", t("thisSource", { source: few(incident.sources) }))}${common(incident.members).map(([name, value]) =>
        choice(JSON.stringify([name, value]), t("thisLabel", { name, value })))}${choice("pattern", t("pattern"))}
      ${kind === "pattern" && html`<div class="pair"><label>${t("source")}<input value=${source}
        onInput=${(event) => setSource(event.target.value)} /></label><label>${t("metric")}<input value=${metric}
        onInput=${(event) => setMetric(event.target.value)} /></label></div>`}</fieldset>
    <fieldset><legend>${t("for")}</legend><div class="row">${LENGTHS.map((one) => html`<button type="button"
      class=${one === until ? "on" : ""} aria-pressed=${one === until} onClick=${() => setUntil(one)}>${one}</button>`)}</div></fieldset>
    <label>${t("note")}<input value=${note} onInput=${(event) => setNote(event.target.value)} /></label>
    <div class="preview" role="status" data-ready=${found ? "yes" : "no"}><b>${t("preview")}</b> ${!found ? "…"
      : found.text || (found.past || found.open ? t("previewText", found) : t("previewNone"))}</div>
    <div class="row end"><button onClick=${() => copy(list.map((one) => curl("/api/silences", one)).join("\n"))}>${t("copyCurl")}</button>
      <button onClick=${() => copy(yaml(each_, incident.members, found.until, note))} disabled=${!found || !found.until}>${t("copyYaml")}</button>
      <button class="strong" id="silence-it" disabled=${busy} onClick=${give}>${t("silenceIt")}</button></div></${Frame}>`;
}

const KEYS = [["j k", "k_move"], ["e", "k_open"], ["a", "k_ack"], ["r", "k_resolve"], ["s", "k_silence"],
  ["x", "k_select"], ["u", "k_undo"], ["/", "k_find"], ["?", "k_help"], ["g …", "k_go"]];
const Keys = () => html`<${Frame} title=${t("keys")}><dl class="keys">${KEYS.map(([key, words]) => html`<dt>${
  key.split(" ").map((one) => html`<kbd>${one}</kbd> `)}</dt><dd>${t(words)}</dd>`)}</dl></${Frame}>`;

function Choice({ words, name, target, values }) {
  return html`<label>${words}<select value=${target.value} onChange=${(event) => keep(name, target, event.target.value)}>
    ${Object.entries(values).map(([value, text]) => html`<option value=${value} selected=${value === target.value}>${text}</option>`)}
  </select></label>`;
}

async function leave() {
  await ask("/api/session", { method: "DELETE" }).catch(() => {});
  disconnect();
  dialog.value = null;
  session.value = null;
}

const Settings = () => html`<${Frame} title=${t("settings")}>
  <${Choice} words=${t("language")} name="language" target=${language} values=${languages} />
  <${Choice} words=${t("theme")} name="theme" target=${theme} values=${{ auto: t("auto"), light: t("light"), dark: t("dark") }} />
  <${Choice} words=${t("zone")} name="zone" target=${zone} values=${{ local: t("local"), utc: t("utc") }} />
  <div class="row end"><span class="soft grow">${session.value && t("user", { ...session.value, role: named("role", session.value.role) })}</span>
    <button onClick=${leave}>${t("logout")}</button></div></${Frame}>`;

export function Dialogs() {
  const one = dialog.value;
  if (!one) return null;
  if (one.kind === "silence") return html`<${Silence} incident=${one.incident} />`;
  return one.kind === "keys" ? html`<${Keys} />` : html`<${Settings} />`;
}

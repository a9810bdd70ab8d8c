// The page: head, views, foot.
import { ask } from "./api.js";
import { Dialogs } from "./dialogs.js";
import { absolute, whole } from "./format.js";
import { find, PLACES } from "./keys.js";
import { effect, html, render, useEffect } from "./lib.js";
import { connect, loadFirst } from "./live.js";
import { dialog, language, link, online, openCount, route, session, summary, summaryAt, theme, toast } from "./state.js";
import { fault } from "./said.js";
import { t } from "./text.js";
import { Compare } from "./views/compare.js";
import { Explore } from "./views/explore.js";
import { Health } from "./views/health.js";
import { Incident } from "./views/incident.js";
import { First, Login } from "./views/login.js";
import { Logs } from "./views/logs.js";
import { Now } from "./views/now.js";
import { Series } from "./views/series.js";
import { WhatIf } from "./views/whatif.js";

const VIEWS = { now: Now, incident: Incident, series: Series, explore: Explore, whatif: WhatIf, logs: Logs,
  health: Health, compare: Compare };
const LETTERS = Object.fromEntries(Object.entries(PLACES).map(([letter, view]) => [view, letter]));
const NAV = ["now", "series", "explore", "whatif", "logs", "health", "compare"];

function Head() {
  const here = route.value.view === "incident" ? "now" : route.value.view;
  const count = openCount.value;
  useEffect(() => { document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" }); }, [here]);
  return html`<header class="head"><a class="skip" href="#content" onClick=${(event) => {
    event.preventDefault(); document.getElementById("content").focus(); }}>${t("skip")}</a>
    <a class="brand" href="#/now"><img src="/static/icon.svg" width="26" height="26" alt="" /><b>PADIT</b></a>
    <nav aria-label=${t("views")}>${NAV.map((one) => html`<a href=${link(one)} title=${`${t(one)} (g ${LETTERS[one]})`} aria-keyshortcuts=${`g ${LETTERS[one]}`} aria-current=${one === here ? "page" : undefined}>${
      t(one)}${one === "now" && count > 0 && html` <span class="count">${whole(count)}</span>`}</a>`)}</nav>
    <div class="tools"><button class="plain" aria-label=${t("find")} title=${`${t("find")} (/)`} aria-keyshortcuts="/" onClick=${find}>
      <svg viewBox="0 0 20 20" width="18" height="18" aria-hidden="true"><path fill="none" stroke="currentColor" stroke-width="1.8"
        d="M8.500 3a5.500 5.500 0 1 1 0 11a5.500 5.500 0 0 1 0-11M12.500 12.500 17 17" /></svg></button>
    <button class="plain" aria-label=${t("keys")} title=${`${t("keys")} (?)`}
      onClick=${() => { dialog.value = { kind: "keys" }; }}>?</button>
    <button class="plain" aria-label=${t("settings")} title=${t("settings")} onClick=${() => { dialog.value = { kind: "settings" }; }}>
      <svg viewBox="0 0 20 20" width="18" height="18" aria-hidden="true"><path fill="none" stroke="currentColor" stroke-width="1.8"
        d="M3 5h9m3 0h2M3 10h2m3 0h9M3 15h7m3 0h4M13.500 3v4M6.500 8v4M11.500 13v4" /></svg></button></div></header>`;
}

function Banners() {
  const one = summary.value;
  const found = [];
  if (!online.value) found.push(["bad", t("offline", { ago: summaryAt.value ? absolute(summaryAt.value) : "–" })]);
  if (one && one.recording) found.push(["", t("recording", { time: absolute(one.now) })]);
  if (one && one.reading) found.push(["", t("reading")]);
  if (one && one.trouble.length) found.push(["bad", t("trouble", { what: one.trouble.map(fault).join("; ") })]);
  const lacks = one ? one.lacks.map(fault) : [];
  return html`<div class="banners" role="status">${found.map(([kind, text]) => html`<p class=${`banner ${kind}`}>${text}</p>`)}
    ${lacks.length > 0 && html`<details class="banner"><summary>${t("lacks", { what: lacks.map((each) => each.split(":")[0]).join(", ") })}</summary>
      ${lacks.map((each) => html`<p>${t("lacks", { what: each })}</p>`)}</details>`}</div>`;
}

function Toast() {
  const one = toast.value;
  useEffect(() => {
    if (!one) return undefined;
    const timer = setTimeout(() => { if (toast.value === one) toast.value = null; }, one.bad ? 12000 : one.undo ? 8000 : 5000);
    return () => clearTimeout(timer);
  }, [one]);
  return html`<div class="toast-place" role="status" aria-live="polite">${one && html`<div class=${`toast ${one.bad ? "bad" : ""}`}>
    <span>${one.text}</span>${one.undo && html`<button onClick=${() => { toast.value = null; one.undo(); }}>${t("undo")} <kbd>u</kbd></button>`}
    <button class="plain" aria-label=${t("close")} onClick=${() => { toast.value = null; }}>✕</button></div>`}</div>`;
}

function App() {
  const here = route.value;
  if (here.view === "first") return html`<${First} token=${here.parts[0] || ""} /><${Toast} />`;
  if (session.value === undefined) return html`<main class="center" aria-busy="true"><h1 class="soft">PADIT</h1></main>`;
  if (session.value === null) return html`<${Login} /><${Toast} />`;
  const View = VIEWS[here.view] || Now;
  return html`<${Head} /><${Banners} /><main id="content" tabindex="-1" key=${here.view}><${View} here=${here} /></main>
    <${Toast} /><${Dialogs} />`;
}

let shown = "";
effect(() => { // what went wrong in one view does not follow to the next
  const here = route.value.view;
  if (here !== shown && toast.peek()?.bad) toast.value = null;
  shown = here;
});
effect(() => {
  document.documentElement.lang = language.value;
  document.documentElement.dataset.theme = theme.value;
  document.title = `${openCount.value ? `(${openCount.value}) ` : ""}${t(VIEWS[route.value.view] ? route.value.view : "now")} · PADIT`;
});
let connected = false;
effect(() => {
  const wanted = Boolean(session.value);
  if (wanted && !connected) connect();
  connected = wanted;
});

render(html`<${App} />`, document.getElementById("app"));
if (route.value.view !== "first") {
  loadFirst().catch(() => {});
  ask("/api/session").then((one) => { session.value = one; }, () => { session.value = null; });
}

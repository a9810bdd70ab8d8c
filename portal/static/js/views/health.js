// Health: how far behind, what came in, what was refused, what became of every transition.
import { ask, report } from "../api.js";
import { number, span, whole } from "../format.js";
import { html, useEffect, useState } from "../lib.js";
import { changes, clock } from "../state.js";
import { t } from "../text.js";

export function Health() {
  const [one, setOne] = useState(null);
  const every = Math.floor(clock.value / 5000);
  useEffect(() => { ask("/api/health").then(setOne, report); }, [every, changes.value]);
  if (!one) return html`<p class="soft" aria-busy="true">…</p>`;
  const figure = (words, value, bad) => html`<div class=${`figure-card ${bad ? "bad" : ""}`}><dt>${words}</dt><dd>${value}</dd></div>`;
  const late = one.lag_seconds != null && !one.recording && one.lag_seconds > 300;
  return html`<h1>${t("health")}</h1><dl class="figures">
    ${figure(t("lag"), one.lag_seconds == null ? "–" : span(one.lag_seconds * 1000), late)}${figure(t("series"), whole(one.series))}
    ${figure(t("readings"), whole(one.readings))}${figure(t("windowsN"), whole(one.windows))}${figure(t("entries"), whole(one.log_entries))}
    ${figure(t("refused"), whole(one.refused), one.refused > 0)}${figure(t("rejected"), whole(one.readings_rejected + one.windows_rejected), one.readings_rejected + one.windows_rejected > 0)}
    ${figure(t("leftOut"), whole(one.series_left_out), one.series_left_out > 0)}${figure(t("outOfOrder"), whole(one.out_of_order))}
    ${figure(t("unmatched"), whole(one.commands_unmatched))}${figure(t("streams"), whole(one.streams))}${figure(t("uptime"), span(one.uptime_seconds * 1000))}</dl>
    <section class="card"><h2>${t("account")}</h2>${one.routes.length === 0 ? html`<p class="soft">${t("none")}</p>` : one.routes.map((each) => html`<p><b>${each.route}</b>: ${t("accountLine", { n: whole(each.transitions) })} ${
      Object.entries(each.reasons).map(([reason, n]) => `${number(n)} ${reason}`).join(" + ")}${Object.keys(each.messages).length > 0 && one.delivers ? `; ${t("messages")}: ${
      Object.entries(each.messages).map(([state, n]) => `${n} ${state}`).join(" + ")}` : ""}</p>`)}</section>`;
}

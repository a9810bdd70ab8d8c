// Health: how far behind, what came in, what was refused, what became of every transition.
import { ask } from "../api.js";
import { useAnswer } from "../answers.js";
import { absolute, Fault, number, Rest, span, whole } from "../format.js";
import { html, useEffect, useState } from "../lib.js";
import { changes, clock, link } from "../state.js";
import { fault as said, recorded } from "../said.js";
import { named, t } from "../text.js";
import { aimOf, silenceLink } from "./silenced.js";

export function Health({ here }) {
  const [one, setOne] = useState(null);
  const every = Math.floor(clock.value / 5000);
  const [fault, setFault] = useState("");
  useAnswer((signal) => ask("/api/health", { signal }), [], [every, changes.value], (found) => { setOne(found); setFault(""); }, (error) => setFault(error.message));
  if (!one) return html`<h1>${t("health")}</h1>${fault ? html`<${Fault} text=${fault} />` : html`<p class="soft" aria-busy="true">…</p>`}`;
  const figure = (words, value, bad) => html`<div class=${`figure-card ${bad ? "bad" : ""}`}><dt>${words}</dt><dd>${value}</dd></div>`;
  const silent = one.silent.silent, late = !one.recording && !one.catching_up && (one.behind || (one.silent.of ? silent === one.silent.of : one.lag_seconds > 300));
  return html`<h1>${t("health")}</h1>${fault && html`<${Fault} text=${fault} />`}<dl class="figures">
    ${figure(t("lag"), one.lag_seconds == null ? "–" : span(one.lag_seconds * 1000), late)}${figure(t("series"), whole(one.series))}
    ${!one.recording && figure(t("silentFigure"), `${whole(silent)} / ${whole(one.silent.of)}`, silent > 0 && !one.catching_up)}
    ${figure(t("readings"), whole(one.readings))}${figure(t("windowsN"), whole(one.windows))}${figure(t("entries"), whole(one.log_entries))}
    ${figure(t("refused"), whole(one.refused), one.refused > 0)}${figure(t("rejected"), whole(one.readings_rejected + one.windows_rejected), one.readings_rejected + one.windows_rejected > 0)}
    ${figure(t("leftOut"), whole(one.series_left_out), one.series_left_out > 0)}${figure(t("outOfOrder"), whole(one.out_of_order))}
    ${figure(t("unmatched"), whole(one.commands_unmatched))}${figure(t("streams"), whole(one.streams))}${one.texts && figure(t("textsFigure"), `${whole(one.texts.asked)} / ${whole(one.texts.most)}`, one.texts.left_alone || one.texts.trouble !== "")}${figure(t("uptime"), span(one.uptime_seconds * 1000))}</dl>
    ${one.limits && html`<p class="fault">${said(one.limits)}</p>`}<${Job} watch=${one.watch} /><section class="card"><h2>${t("account")}</h2>${one.routes.length === 0 ? html`<p class="soft">${t("none")}</p>` : one.routes.map((each) => html`<p><b>${each.route}</b>: ${t("accountLine", { n: whole(each.transitions) })} ${
      Object.entries(each.reasons).map(([reason, n]) => `${whole(n)} ${named("r", reason)}`).join(" + ")}${Object.keys(each.messages).length > 0 && one.delivers ? `; ${t("messages")}: ${
      Object.entries(each.messages).map(([state, n]) => `${n} ${named("s", state)}`).join(" + ")}` : ""}${each.residue ? html` <b class="fault">${t("residue", { n: each.residue })}</b>` : ""}</p>`)}</section>
    <div class="columns"><${Breakers} rows=${one.breakers} /><${Silences} found=${one.silences} wanted=${here.query.get("silence") || ""} /></div>`;
}

// The job: what it read and what became of it, how far behind it is.
function Job({ watch }) {
  const job = watch.job, checkpoints = watch.checkpoints;
  const card = (words, value, bad) => html`<div class=${`figure-card ${bad ? "bad" : ""}`}><dt>${words}</dt><dd>${value}</dd></div>`;
  const parts = ["scored", "late", "duplicate", "dead_lettered", "waiting"];
  return html`<section class="card"><h2>${t("job")}</h2>${(watch.away || []).map((each) => html`<p class="fault">${t("unreachable", { what: each })}</p>`)}
    ${!job && !checkpoints ? html`<p class="soft">${t("noJob")}</p>` : html`<dl class="figures">
    ${job && job.per_second != null && card(t("throughput"), t("perSecond", { n: number(job.per_second, 3) }))}
    ${job && job.lag_records != null && card(t("lagRecords"), whole(job.lag_records), job.lag_records > 100000)}
    ${job && job.watermark_delay_seconds != null && card(t("watermarkDelay"), span(job.watermark_delay_seconds * 1000), job.watermark_delay_seconds > 300)}
    ${job && job.late != null && card(t("late"), whole(job.late), job.late > 0)}
    ${job && job.dead_lettered != null && card(t("deadLetters"), whole(job.dead_lettered), job.dead_lettered > 0)}
    ${checkpoints && card(t("checkpointAge"), checkpoints.age_seconds == null ? "–" : span(checkpoints.age_seconds * 1000), checkpoints.age_seconds == null || checkpoints.age_seconds > 600)}
    </dl>${job && job.read != null && html`<p><b>${t("conservation")}</b>: ${t("readLine", { n: whole(job.read) })} ${parts.map((name) => `${whole(job[name])} ${t(`c_${name}`)}`).join(" + ")}${
      job.residue ? html` <b class=${job.ended ? "fault" : ""}>${t(job.ended ? "residue" : "inFlight", { n: whole(job.residue) })}</b>` : ""}</p>`}`}</section>`;
}

const Breakers = ({ rows }) => html`<section class="card"><h2>${t("breakers")}</h2>${rows.length === 0 ? html`<p class="soft">${t("noBreakers")}</p>`
  : html`<ul class="plain-list">${rows.map((each) => html`<li><b class="grow">${each.name}</b><span class=${`tag ${each.open ? "bad" : "good"}`}>${t(each.open ? "leftAlone" : "closedBreaker")}</span></li>`)}</ul>`}</section>`;

// One that hid something leads to what it hid; one that still holds, to where it stands on Now.
function Silence({ one, why, wanted }) {
  const what = aimOf(one), rest = one.incidents_count - one.incidents.length;
  return html`<li id=${`silence-${one.id}`} class=${one.id === wanted ? "wanted" : ""} aria-current=${one.id === wanted ? "true" : undefined}>
    <span class="grow"><b>${one.holds ? html`<a href=${silenceLink(one.id)}>${what}</a>` : what}</b> <span class="soft">${t("by", { name: one.by === "configuration" ? t("byConfiguration") : one.by })}${
      one.start && ` · ${absolute(one.start)}`}${one.end && ` – ${absolute(one.end)}`}</span>${one.incidents.length > 0 && html`<span class="muted">${t("hid")} ${
      one.incidents.map((each, n) => html`${n > 0 && ", "}<a href=${link("incident", [each.id])}>${recorded(each.title)}</a>`)}${rest > 0 && ` ${t("more", { n: whole(rest) })}`}</span>`}</span>
    <span class="tag bad">${why}</span></li>`;
}

function Silences({ found, wanted }) {
  const there = [...found.hid_real, ...found.never_matched].some((one) => one.id === wanted);
  useEffect(() => { if (there) document.getElementById(`silence-${wanted}`)?.scrollIntoView({ block: "center" }); }, [wanted, there]);
  const left = found.hid_real_count + found.never_matched_count - found.hid_real.length - found.never_matched.length;
  const rows = [...found.hid_real.map((one) => html`<${Silence} key=${one.id} one=${one} wanted=${wanted} why=${t("hidReal", { n: one.real_count })} />`),
    ...found.never_matched.map((one) => html`<${Silence} key=${one.id} one=${one} wanted=${wanted} why=${t("neverMatched")} />`)];
  return html`<section class="card"><h2>${t("silencesReview")}</h2>${rows.length ? html`<ul class="plain-list">${rows}</ul><${Rest} n=${left} words="earlier" />` : html`<p class="soft">${t("silencesFine")}</p>`}</section>`;
}

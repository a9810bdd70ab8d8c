// Times, numbers, severities.
import { html } from "./lib.js";
import { language, now, zone } from "./state.js";
import { t } from "./text.js";

export function span(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return t("s", { n: s });
  if (s < 3600) return t("min", { n: Math.round(s / 60) });
  if (s < 86400) {
    const m = Math.round((s % 3600) / 60) % 60;
    return t(m ? "h" : "hours", { n: Math.floor(s / 3600), m });
  }
  return t("d", { n: Math.floor(s / 86400), h: Math.floor((s % 86400) / 3600) });
}

export function absolute(text) {
  const options = { dateStyle: "medium", timeStyle: "medium", hourCycle: "h23" };
  if (zone.value === "utc") options.timeZone = "UTC";
  const name = new Intl.DateTimeFormat(language.value, options).format(new Date(text));
  return zone.value === "utc" ? `${name} UTC` : name;
}

export function hour(text) {
  const options = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
  if (zone.value === "utc") options.timeZone = "UTC";
  return new Intl.DateTimeFormat(language.value, options).format(new Date(text));
}

// A moment as an input of date and time has it, and back; NaN where it is none.
export function typed(ms) {
  const shift = zone.value === "utc" ? 0 : new Date(ms).getTimezoneOffset() * 60e3;
  return new Date(ms - shift).toISOString().slice(0, 19);
}
export const untyped = (text) => Date.parse(zone.value === "utc" ? `${text}Z` : text);

export const Ago = ({ time }) => time
  ? html`<time datetime=${time} title=${absolute(time)}>${
    t("ago", { span: span(now() - Date.parse(time)) })}</time>`
  : html`<span>–</span>`;

export const At = ({ time }) => time
  ? html`<time datetime=${time} title=${absolute(time)}>${hour(time)}</time>` : html`<span>–</span>`;

// Who has an incident, or a series of it, for how long, and whose it is next.
export const Taken = ({ one }) => one.acknowledged_by && html`<span class="tag good" title=${one.acknowledged_at && absolute(one.acknowledged_at)}>✓ ${
  t("acknowledgedBy", { name: one.acknowledged_by })}${one.acknowledged_at && ` · ${span(now() - Date.parse(one.acknowledged_at))}`}${
  one.also && one.also.length > 0 && ` · ${t("thenBy", { names: few(one.also) })}`}${one.unkept > 0 && ` · ${t("notKept", { n: whole(one.unkept) })}`}</span>`;

// A name; what would not be seen is written.
export const called = (name) => (/[^\s\u200b-\u200f\ufeff]/.test(name) ? name : `“${name}”`);

// What went wrong, where the answer would stand.
export const Fault = ({ text }) => html`<p class="fault" role="alert">${text}</p>`;

export function number(value, digits = 4) {
  if (value == null || Number.isNaN(value)) return "–";
  return new Intl.NumberFormat(language.value, { maximumSignificantDigits: digits }).format(value);
}
export const whole = (value) => new Intl.NumberFormat(language.value).format(value || 0);

// The first names of a list, and how many more there are.
export const few = (names) => names.slice(0, 3).join(", ") + (names.length > 3 ? ` ${t("more", { n: names.length - 3 })}` : "");

// How many entries of a list are not shown, below it.
export const Rest = ({ n, words = "more" }) => n > 0 && html`<p class="soft rest">${t(words, { n: whole(n) })}</p>`;

const SHAPES = {
  CRITICAL: "M8 1 15.5 14.5H.5Z", WARNING: "M8 .8 15.2 8 8 15.2 .8 8Z",
  INFO: "M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13Z",
};
export const Severity = ({ of, quiet }) => html`<span class=${`severity ${quiet ? "quiet" : of}`}>
  <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true"><path d=${SHAPES[of] || SHAPES.INFO} /></svg>
  ${t(of)}</span>`;

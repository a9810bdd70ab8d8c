// Sentences in the language of the page: out of facts where the server gives them; what was written
// in English elsewhere (summaries in the log, refusals) is recognised by its form in the English
// catalogue. What has none of the forms stays as it was written.
import en from "./en.js";
import { language } from "./state.js";
import { named, t } from "./text.js";

const NUMBER = "[-+−]?(?:\\d[\\d.,]*(?:e[-+]?\\d+)?|inf|nan)%?|nothing";
const LENGTH = "[\\d.,e+-]+ (?:days?|hours?|minutes?|seconds?|min|s|h|d)(?: \\d+ (?:h|min|s))?|no time";
const ONE = `\\w+ (?:${NUMBER}) (?:[<>]=?|[=!]=) (?:${NUMBER})`;
const PATTERNS = {
  length: LENGTH, usual: LENGTH, longest: LENGTH, time: "\\S+", op: "[<>=!]+", op2: "[<>=!]+", run: "[AB]",
  side: "high|low", other: "high|low", severity: "CRITICAL|WARNING|INFO", kind: "opened|updated|resolved",
  conditions: `${ONE}(?: and ${ONE})*`, seasons: `none|(?:${LENGTH})(?:, (?:${LENGTH}))*`,
  when: `| at this (?:minute of the hour|hour|hour of the week|phase of (?:${LENGTH}))`,
};
for (const name of ["n", "m", "k", "low", "high", "most", "share"]) PATTERNS[name] = NUMBER;

const UNITS = { d: "day", h: "hour", min: "minute", s: "second" };
const length = (text) => (text === "no time" ? t("len_none") : text.replace(/(\S+) (day|hour|minute|second|min|[dhs])s?\b/g,
  (_, n, unit) => t(`len_${UNITS[unit] || unit}`, { n })));
const when = (text) => found("when", text) ?? text;
const seen = (text) => found("seen", text) ?? text;
const side = (text) => t(`side_${text}`);
const TURNED = {
  length, usual: length, longest: length, when, seen, side, other: side, kind: (text) => t(text), severity: (text) => t(text),
  role: (text) => named("role", text), mine: (text) => named("role", text), text: (text) => fault(text),
  conditions: (text) => text.replaceAll(" and ", t("andAlso")),
  seasons: (text) => (text === "none" ? t("none") : text.split(", ").map(length).join(", ")),
};

const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
const families = new Map();
function formsOf(family) {
  if (!families.has(family)) {
    families.set(family, Object.entries(en).filter(([key]) => key.startsWith(`${family}_`)).map(([key, text]) => {
      const parts = text.split(/\{(\w+)\}/);
      const body = parts.map((one, at) => (at % 2 ? `(?<${one}>${PATTERNS[one] || ".+?"})` : escaped(one)));
      return [key, new RegExp(`^${body.join("")}$`, "su")];
    }));
  }
  return families.get(family);
}

// A text that has a form of a family, in the language of the page; null: it has none.
function found(family, text) {
  for (const [key, form] of formsOf(family)) {
    const match = form.exec(text);
    if (match) {
      const values = Object.entries(match.groups || {}).map(([name, value]) => [name, TURNED[name] ? TURNED[name](value) : value]);
      return t(key, Object.fromEntries(values));
    }
  }
  return null;
}

const LONGEST = 4000, MOST = 5000;
const known = new Map();
function kept(family, text, make) {
  if (language.value === "en" || !text || text.length > LONGEST) return text;
  const key = `${language.value} ${family} ${text}`;
  if (!known.has(key)) {
    if (known.size > MOST) known.clear();
    known.set(key, make());
  }
  return known.get(key);
}

// What a detector says, without the series.
const words = (text) => found("said", text) ?? text;

function whole(text) {
  for (let at = text.indexOf(": "); at > 0; at = text.indexOf(": ", at + 1)) {
    const [head, tail] = [text.slice(0, at), text.slice(at + 2)], parts = head.split(" of ");
    const turned = parts.length === 2 && found("said", tail);
    if (turned) return t("head", { metric: parts[0], source: parts[1], text: turned });
  }
  const rest = /^(\S+) of ([^\s:]+)(?:: ([^]+))?$/.exec(text);
  if (!rest) return words(text);
  const [, metric, source, tail] = rest;
  return tail ? t("head", { metric, source, text: tail }) : t("headOnly", { metric, source });
}

// The summary of an alert, or what stands for it.
export const recorded = (text) => kept("head", text, () => whole(text));
// A refusal or a trouble, and what the page lacks.
export const fault = (text) => kept("fault", text, () => found("lack", text) ?? found("fault", text) ?? text);
// Why a sentence of a language model is not shown.
export const struck = (text) => kept("struck", text, () => found("struck", text) ?? text);
// A line of a comparison, or of an alert that was computed again.
export const check = (text) => kept("check", text, () => found("check", text) ?? words(text));
export const part = (text) => kept("part", text, () => {
  const [kind, ...rest] = text.split(": "), what = rest.join(": ");
  return `${t(kind)}: ${found("part", what) ?? what}`;
});
export const verdict = (text) => t(`v_${text.replaceAll(" ", "_")}`);

// What speaks for a source, out of its facts.
export function because(one) {
  const metric = one.tier ? t(`tier_${one.tier}`, one) : one.metric;
  const why = t(`because_${one.kind}`, { metric, n: one.figure });
  return one.users ? t("because_users", { why, n: one.users }) : why;
}

// A sentence of the story.
export function told(one) {
  const { what, speaks, ...others } = one.values;
  return t(`story_${one.kind}`, { ...others, what: what && recorded(what), why: speaks && because(speaks) });
}

// All words of the page, one catalogue a language.
import { language } from "./state.js";
import en from "./en.js";
import ko from "./ko.js";

const catalogues = { en, ko };
export const languages = { en: "English", ko: "한국어" };

export function t(key, values = {}) {
  const text = (catalogues[language.value] || en)[key] ?? en[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

// A word of alerting in the language of the page; one that is not in the catalogue stands as it is.
export function named(kind, word) {
  const [, head, rest] = /^(\w*)([^]*)$/.exec(word), key = `${kind}_${head}`, text = t(key);
  return text === key ? word : text + rest;
}

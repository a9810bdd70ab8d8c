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

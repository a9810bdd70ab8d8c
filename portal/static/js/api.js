// Requests. An answer that is no success becomes an error with the server's words.
import { fault } from "./said.js";
import { session, toast } from "./state.js";

export class Problem extends Error {
  constructor(status, title, detail) {
    super(fault(detail || title));
    this.status = status;
  }
}

export async function ask(path, { method = "GET", body, signal, keepalive = false, headers: others = {} } = {}) {
  const headers = { "X-Padit": "1", ...others };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const who = session.value;
  let answer;
  try {
    answer = await fetch(path, {
      method, headers, signal, keepalive, body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "", "The server does not answer.");
  }
  const content = await answer.json().catch((error) => {
    if (error.name === "AbortError") throw error;
    return {};
  });
  if (!answer.ok) {
    if (answer.status === 401 && path !== "/api/session" && path !== "/api/first") {
      if (session.value === who) session.value = null; // not if somebody has logged in meanwhile
    }
    throw new Problem(answer.status, content.title, content.detail);
  }
  return content;
}

export const post = (path, body = {}, others = {}) => ask(path, { method: "POST", body, ...others });
export const at = (path, query) => {
  const given = Object.entries(query).filter(([, value]) => value !== "" && value != null);
  return given.length ? `${path}${path.includes("?") ? "&" : "?"}${new URLSearchParams(given)}` : path;
};
export const id = encodeURIComponent;

// All pages of a list.
export async function all(path, options) {
  const items = [];
  for (let cursor = ""; cursor != null;) {
    const one = await ask(at(path, { limit: 500, cursor }), options); // the path may have a query of its own
    items.push(...one.items);
    cursor = one.next;
  }
  return items;
}

export function report(error) {
  if (error.name !== "AbortError") toast.value = { text: error.message, bad: true };
}

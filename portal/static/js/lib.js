// The libraries under one roof.
import { h, render, Fragment } from "../vendor/preact.js";
import { useEffect, useLayoutEffect, useRef, useState, useMemo } from "../vendor/hooks.js";
import { signal, computed, effect, batch } from "../vendor/signals.js";
import htm from "../vendor/htm.js";

// Marks that turn the direction of text: in a name they would turn the words around it, too.
const TURNS = /[\u202a-\u202e\u2066-\u2069]/g;
export const plain = (text) => text.replace(TURNS, "\ufffd");
const clean = (one) => (typeof one === "string" ? plain(one) : Array.isArray(one) ? one.map(clean) : one);
function safe(type, props, ...children) {
  const given = props && { ...props };
  for (const name of ["title", "aria-label"]) if (given && typeof given[name] === "string") given[name] = plain(given[name]);
  return h(type, given, ...children.map(clean));
}
export const html = htm.bind(safe);
export { h, render, Fragment, useEffect, useLayoutEffect, useRef, useState, useMemo, signal, computed, effect, batch };

// The libraries under one roof.
import { h, render, Fragment } from "../vendor/preact.js";
import { useEffect, useLayoutEffect, useRef, useState, useMemo } from "../vendor/hooks.js";
import { signal, computed, effect, batch } from "../vendor/signals.js";
import htm from "../vendor/htm.js";

export const html = htm.bind(h);
export { h, render, Fragment, useEffect, useLayoutEffect, useRef, useState, useMemo, signal, computed, effect, batch };

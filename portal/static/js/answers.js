// Answers to questions that change while they are on their way.
import { html, useEffect, useRef, useState } from "./lib.js";
import { t } from "./text.js";

const PAUSE_MS = 100; // between two answers about the same

// Asks again whenever one of `fresh` changes. Another `key` is another question: what is on its way
// for the one before is dropped. For the same question at most one is on its way, and what changes
// meanwhile is asked for behind it: an older answer never comes last, and changes that are faster
// than answers keep none away.
export function useAnswer(question, key, fresh, take, refused) {
  const now = useRef(null), latest = useRef(null);
  const name = JSON.stringify(key);
  latest.current = { question, take, refused, name };
  useEffect(() => {
    if (now.current?.name !== name) {
      now.current?.stop.abort();
      now.current = { name, stop: new AbortController(), busy: false, again: false };
    }
    const mine = now.current, { signal } = mine.stop;
    const counts = () => !signal.aborted && latest.current.name === name; // drawn may be another one already
    const go = async () => {
      mine.busy = true;
      mine.again = false;
      try {
        const found = await latest.current.question(signal);
        if (counts()) latest.current.take(found);
      } catch (error) {
        if (counts() && error.name !== "AbortError") latest.current.refused(error);
      }
      if (mine.again && !signal.aborted) await new Promise((done) => setTimeout(done, PAUSE_MS));
      if (mine.again && !signal.aborted) go(); else mine.busy = false;
    };
    if (mine.busy) mine.again = true; else go();
  }, [name, ...fresh]);
  useEffect(() => () => now.current?.stop.abort(), []);
}

// A list that grows page by page. `first` takes another list, or the same items with other words
// about them; a further page counts only for the items that it was asked for, and once.
export function usePages() {
  const [found, setFound] = useState(null);
  const asked = useRef(null), shown = useRef(null);
  const first = (one) => { shown.current = one; setFound(one); };
  const more = (ask, refused) => {
    const { items, next } = shown.current || {};
    if (!next || asked.current === items) return;
    asked.current = items;
    const still = () => shown.current?.items === items;
    ask(next).then((one) => {
      if (still()) first({ ...shown.current, ...one, items: [...items, ...one.items] });
    }, (error) => {
      if (!still()) return;
      asked.current = null;
      refused(error);
    });
  };
  return [found, first, more];
}

// Pages of a list behind what is shown of it already, at a cursor; they are asked for again whenever one of
// `fresh` changes. Gives the rest of the answers, whether there is more, and what asks for it.
export function useFurther(path, cursor, fresh, ask, refused) {
  const [pages, setPages] = useState(0);
  const [found, setFound] = useState({ parts: [], next: null, pages: 0 });
  useAnswer(async (signal) => {
    const parts = [];
    let next = cursor;
    for (let n = 0; n < pages && next !== null; n++) {
      const one = await ask(next, signal);
      parts.push(one);
      next = one.next;
    }
    return { parts, next, pages };
  }, [path, pages], [cursor, ...fresh], setFound, refused);
  const there = (pages ? found.next : cursor) !== null;
  return [found.parts, there && found.pages === pages, () => setPages((n) => n + 1)];
}

export const More = ({ run }) => html`<p class="centred"><button onClick=${run}>${t("more2")}</button></p>`;

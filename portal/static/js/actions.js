// What a person does; each action can be undone where that is possible.
import { ask, id, post, report } from "./api.js";
import { dialog, incidents, marked, session, toast } from "./state.js";
import { absolute } from "./format.js";
import { t } from "./text.js";

export const may = () => session.value && session.value.role !== "viewer";

function said(text, undo) { toast.value = { text, undo }; }

async function several(names, what) {
  const results = await Promise.allSettled(
    names.map((name) => post(`/api/incidents/${id(name)}/${what}`)));
  const failed = results.find((one) => one.status === "rejected");
  if (failed) throw failed.reason;
  return results.some((one) => one.value.waiting);
}

export async function act(what, names) {
  if (!may()) { said(t("viewerOnly")); return; }
  if (!names.length) return;
  try {
    const waits = await several(names, what);
    marked.value = new Set();
    const back = what === "acknowledge" ? () => act("unacknowledge", names) : null;
    said(t(waits ? "waitsForAlerting" : `done_${what}`), back);
  } catch (error) { report(error); }
}

export function silenceDialog(name) {
  const incident = incidents.value.get(name);
  if (!may()) { said(t("viewerOnly")); return; }
  if (incident) dialog.value = { kind: "silence", incident };
}

export async function silence(bodies) {
  try {
    const made = [];
    for (const body of bodies) made.push(...(await post("/api/silences", body)).commands);
    const known = await ask("/api/silences");
    const one = known.items.find((each) => each.id === made[0]);
    dialog.value = null;
    said(t("done_silence", { time: one ? absolute(one.end) : "" }), async () => {
      for (const each of made) await unsilence(each);
    });
  } catch (error) { report(error); }
}

export async function unsilence(name) {
  await ask(`/api/silences/${id(name)}`, { method: "DELETE" }).catch(report);
}

export async function judge(name, verdict) {
  try {
    await post(`/api/feedback/${id(name)}`, { verdict });
    said(t("done_feedback", { verdict: t(verdict) }));
  } catch (error) { report(error); }
}

export function curl(path, body) {
  const text = JSON.stringify(body).replaceAll("'", "'\\''");
  return `curl -X POST '${location.origin}${path}' -H "Authorization: Bearer $PADIT_KEY" `
    + `-H 'Content-Type: application/json' -d '${text}'`;
}

export async function copy(text) {
  await navigator.clipboard.writeText(text).catch(report);
  said(t("copied"));
}

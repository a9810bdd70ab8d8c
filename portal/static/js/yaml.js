// Changes to the text of a configuration that keep the rest of it, in YAML's flow and block style.

const DEEPER = /^(\s|$|#)/;

// Lines of the value of a key at the top level: [first, behind the last], or null.
function section(lines, key) {
  const first = lines.findIndex((line) => line.startsWith(`${key}:`));
  if (first < 0) return null;
  let last = first + 1;
  while (last < lines.length && (DEEPER.test(lines[last]) || lines[last].startsWith("- "))) last++;
  while (last > first + 1 && /^\s*(#.*)?$/.test(lines[last - 1])) last--;
  return [first, last];
}

const flat = (line, key) => line.slice(key.length + 1).replace(/\s#.*$/, "").trim();

// A text of any letters, in quotes; what a reader takes for the end of a line is written as its number.
export const quoted = (text) => JSON.stringify(text).replace(/[\u007f-\u00a0\u2028\u2029\ufeff\ufffe\uffff]/g,
  (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`);

// Patterns of sources, metrics and of one label as a matcher.
export const matcher = (sources, metrics, labels = {}) => `{source: [${sources.map(quoted).join(", ")}], metric: [${metrics.map(quoted).join(", ")}]${
  Object.entries(labels).map(([name, value]) => `, labels: {${quoted(name)}: [${quoted(value)}]}`).join("")}}`;

// Silences of matchers, for the file of `padit alerting`.
export const silences = (matchers, name, start, end, reason) => "silences:\n" + matchers.map((one, n) =>
  `  - {id: ${name}-${n + 1}, start: "${start}", end: "${end}"${reason ? `, reason: ${quoted(reason)}` : ""}, match: ${one}}\n`).join("");

// A name as a pattern that means only it.
export const exactly = (name) => name.replace(/[*?[]/g, "[$&]");

// A text that stands in a comment: one line, whatever the names are.
const remark = (text) => `# ${quoted(text).slice(1, -1)}\n`;

// An incident as a part of that file: a silence of its series, and a route of their own to the receiver
// that is sent it now, with the other receivers that there are.
export function policyOf(one, members, config, start, end) {
  const metrics = new Map();
  for (const { source_id, metric_name } of members) metrics.set(source_id, [...(metrics.get(source_id) || []), exactly(metric_name)]);
  const matchers = [...metrics].map(([source, mine]) => matcher([exactly(source)], [...new Set(mine)]));
  const name = `incident-${one.id.slice(0, 12)}`;
  const known = config.routes.find((each) => each.name in one.routes) || config.routes[0];
  const receiver = known ? known.receiver : config.receivers[0].name;
  const choices = config.receivers.map((each) => `${each.name} (${each.kind})`).join(", ");
  return silences(matchers, name, start, end, "") + "# or, before the other routes, a route of its own:\n"
    + (config.given ? remark(`receivers of this configuration: ${choices}`)
      : remark(`this portal has no --config, so it knows no receivers: put the name of yours for ${receiver}`))
    + "# routes:\n" + matchers.map((each, n) => `#   - {name: ${name}-${n + 1}, receiver: ${quoted(receiver)}, match: ${each}}\n`).join("");
}

// A key at the top level with a plain value.
export function setTop(text, key, value) {
  const lines = text.trimEnd().split("\n"), found = section(lines, key);
  if (found) lines.splice(found[0], found[1] - found[0], `${key}: ${value}`);
  else lines.push(`${key}: ${value}`);
  return `${lines.join("\n")}\n`;
}

// A key of a section at the top level; other keys of it stay.
export function setIn(text, name, key, value) {
  const lines = text.trimEnd().split("\n"), found = section(lines, name);
  if (!found) return setTop(text, name, `{${key}: ${value}}`);
  const [first, last] = found, inline = flat(lines[first], name);
  if (inline) {
    const others = inline.replace(/^\{|\}$/g, "").replace(new RegExp(`(^|,)\\s*${key}:[^,]*`), "").replace(/^\s*,/, "").trim();
    lines.splice(first, last - first, `${name}: {${key}: ${value}${others ? `, ${others}` : ""}}`);
  } else {
    const indent = (lines.slice(first + 1, last).find((line) => /^\s+[^\s#]/.test(line)) || "  x").match(/^\s*/)[0];
    const kept = lines.slice(first + 1, last).filter((line) => !line.startsWith(`${indent}${key}:`));
    lines.splice(first + 1, last - first - 1, `${indent}${key}: ${value}`, ...kept);
  }
  return `${lines.join("\n")}\n`;
}

// One more entry of a list at the top level.
export function addTo(text, key, entry) {
  const lines = text.trimEnd().split("\n"), found = section(lines, key);
  if (!found) return setTop(text, key, `[${entry}]`);
  const [first, last] = found, inline = flat(lines[first], key);
  if (inline && inline !== "[]" && !inline.endsWith("]")) return null; // a list over several lines
  if (inline) {
    const others = inline.slice(1, -1).trim();
    lines[first] = `${key}: [${others ? `${others}, ` : ""}${entry}]`;
  } else {
    const indent = (lines.slice(first + 1, last).find((line) => /^\s*- /.test(line)) || "  - ").match(/^\s*/)[0];
    lines.splice(last, 0, `${indent}- ${entry}`);
  }
  return `${lines.join("\n")}\n`;
}

// A key of each entry of `routes`; null where they are written in a way that is not known here.
export function eachRoute(text, key, value) {
  const lines = text.trimEnd().split("\n"), found = section(lines, "routes");
  if (!found) return null;
  const [first, last] = found, inline = flat(lines[first], "routes");
  const put = (line) => line.replace(new RegExp(`,\\s*${key}:\\s*[^,}]+`, "g"), "").replace(/\{\s*(name: [^,}]+)/g, `{$1, ${key}: ${value}`);
  if (inline) { lines[first] = put(lines[first]); return `${lines.join("\n")}\n`; }
  const made = [];
  let known = 0, outer = null;
  for (const line of lines.slice(first + 1, last)) {
    const item = line.match(/^(\s*)- +(?=\S)/);
    const begins = item && (outer === null || item[1].length === outer);
    if (begins) { outer = item[1].length; known++; }
    if (begins && line.includes("{")) { made.push(put(line)); continue; }
    if (begins) {
      const inner = " ".repeat(item[0].length), rest = line.slice(item[0].length);
      made.push(`${item[0]}${key}: ${value}`);
      if (!rest.startsWith(`${key}:`)) made.push(`${inner}${rest}`);
      continue;
    }
    if (!new RegExp(`^\\s{${(outer ?? 0) + 2},}${key}:`).test(line)) made.push(line);
  }
  if (!known) return null;
  lines.splice(first + 1, last - first - 1, ...made);
  return `${lines.join("\n")}\n`;
}

// A text in an address: deflated, in the letters that an address may hold.
const MOST = 200_000; // as the server takes

// Stops at the first bytes that are too many: a short address can unpack to gigabytes.
async function through(bytes, stream, most = Infinity) {
  const reader = new Blob([bytes]).stream().pipeThrough(stream).getReader();
  const pieces = [];
  for (let length = 0, one = await reader.read(); !one.done; one = await reader.read()) {
    length += one.value.length;
    if (length > most) { await reader.cancel(); throw new Error("too long"); }
    pieces.push(one.value);
  }
  return new Uint8Array(await new Blob(pieces).arrayBuffer());
}

export async function packed(text) {
  const bytes = await through(new TextEncoder().encode(text), new CompressionStream("deflate-raw"));
  return btoa(Array.from(bytes, (one) => String.fromCharCode(one)).join("")).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

// Throws where it is none of ours.
export async function unpacked(text) {
  const bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (one) => one.charCodeAt(0));
  const plain = await through(bytes, new DecompressionStream("deflate-raw"), MOST);
  return new TextDecoder("utf-8", { fatal: true }).decode(plain);
}

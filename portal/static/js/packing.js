// A text in an address: deflated, in the letters that an address may hold.
const MOST = 200_000; // as the server takes

async function through(bytes, stream) {
  return new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(stream)).arrayBuffer());
}

export async function packed(text) {
  const bytes = await through(new TextEncoder().encode(text), new CompressionStream("deflate-raw"));
  return btoa(Array.from(bytes, (one) => String.fromCharCode(one)).join("")).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

// Throws where it is none of ours.
export async function unpacked(text) {
  const bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (one) => one.charCodeAt(0));
  const plain = await through(bytes, new DecompressionStream("deflate-raw"));
  if (plain.length > MOST) throw new Error("too long");
  return new TextDecoder("utf-8", { fatal: true }).decode(plain);
}

// A spec with what is chosen of it, in the part of an address that no browser sends anywhere.
const FORM = "v1=";

export async function packed(spec) {
  const bytes = new TextEncoder().encode(JSON.stringify(spec));
  return FORM + base64(await through(bytes, new CompressionStream("deflate-raw")));
}

export async function unpacked(fragment) {
  const text = fragment.replace(/^#/, "");
  if (!text.startsWith(FORM)) return null;
  const bytes = Uint8Array.from(atob(text.slice(FORM.length).replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
  const spec = JSON.parse(new TextDecoder().decode(await through(bytes, new DecompressionStream("deflate-raw"))));
  if (typeof spec.text !== "string") return null;
  const values = Object.entries(spec.values ?? {}).filter(([, value]) => typeof value === "string");
  return { text: spec.text, preset: typeof spec.preset === "string" ? spec.preset : null, values: Object.fromEntries(values) };
}

const MOST = 2 ** 21; // bytes of a spec

async function through(bytes, stream) {
  const writer = stream.writable.getWriter();
  writer.write(bytes).catch(() => {});
  writer.close().catch(() => {});
  const parts = [];
  let length = 0;
  for (const reader = stream.readable.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    length += value.length;
    if (length > MOST) throw new Error("the address holds more than any spec");
  }
  const all = new Uint8Array(length);
  let place = 0;
  for (const part of parts) {
    all.set(part, place);
    place += part.length;
  }
  return all;
}

function base64(bytes) {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** Reads what the tap saw: an HTTP/1.1 message, the parts of an envelope in it, and words that anyone could read. */

export type Bytes = Uint8Array<ArrayBuffer>;

/** As far as it was kept. */
export interface Message {
  line: string;
  headers: [string, string][];
  /** Without the framing of chunks. */
  body: Bytes;
}

export const FIELDS = ["key id", "encapsulation", "nonce", "ciphertext", "framing"] as const;
export type FieldName = (typeof FIELDS)[number];

/** Where a part of an envelope lies in a body. */
export interface Field {
  name: FieldName;
  start: number;
  end: number;
}

const HEAD_END = [13, 10, 13, 10];
const latin1 = new TextDecoder("latin1");

/** The message that begins here; undefined before its head is whole. */
export function readMessage(bytes: Bytes): Message | undefined {
  const end = find(bytes, HEAD_END, 0);
  if (end < 0) return undefined;
  const [line = "", ...fields] = latin1.decode(bytes.subarray(0, end)).split("\r\n");
  const headers = fields.map((field): [string, string] => {
    const colon = field.indexOf(":");
    return [field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim()];
  });
  const rest = bytes.subarray(end + HEAD_END.length);
  const chunked = header(headers, "transfer-encoding") === "chunked";
  return { line, headers, body: chunked ? unchunked(rest) : rest };
}

export function header(headers: readonly (readonly [string, string])[], name: string): string | undefined {
  return headers.find(([own]) => own === name)?.[1];
}

/** The parts of an envelope, in order and without a gap. `of`: a request has an encapsulation, a response none. */
export function anatomy(body: Bytes, mediaType: string, of: "request" | "response"): Field[] {
  const names: FieldName[] =
    of === "request" ? ["key id", "encapsulation", "nonce", "ciphertext"] : ["nonce", "ciphertext"];
  if (mediaType.startsWith("application/privatelink-stream")) return streamed(body, names);
  return mediaType.startsWith("application/privatelink") ? message(body, 0, body.length, names) : [];
}

/** How often each word occurs in the bytes. */
export function findWords(words: readonly string[], bytes: readonly Bytes[]): Map<string, number> {
  const text = bytes.map((part) => latin1.decode(part)).join("\n");
  return new Map(words.map((word) => [word, text.split(word).length - 1]));
}

/** What a reader of the wire would look for: words of five characters and more, numbers apart, each once. */
export function wordsOf(texts: readonly string[]): string[] {
  const words = texts.flatMap((text) => text.match(/[\p{L}\p{N}_-]{5,}/gu) ?? []);
  return [...new Set(words.filter((word) => /\p{L}/u.test(word)))];
}

/** A body as anyone can read it, its content coding undone. */
export async function readable(message: Message): Promise<Bytes> {
  const coding = header(message.headers, "content-encoding");
  if (coding !== "gzip" && coding !== "deflate") return message.body;
  const stream = new Blob([message.body]).stream().pipeThrough(new DecompressionStream(coding));
  try {
    return new Uint8Array(await new Response(stream).arrayBuffer());
  } catch {
    return message.body; // not all of it was kept
  }
}

function unchunked(bytes: Bytes): Bytes {
  const parts: Bytes[] = [];
  let at = 0;
  for (;;) {
    const line = find(bytes, [13, 10], at);
    const size = line < 0 ? 0 : parseInt(latin1.decode(bytes.subarray(at, line)), 16);
    if (!(size > 0)) break;
    parts.push(bytes.subarray(line + 2, line + 2 + size));
    at = line + 2 + size + 2;
  }
  return joined(parts);
}

/** A preamble of `varint || message`, then segments of `u32 || ciphertext`. */
function streamed(body: Bytes, names: readonly FieldName[]): Field[] {
  const { value: length, end: start } = varint(body, 0);
  const end = Math.min(start + length, body.length);
  const fields: Field[] = [{ name: "framing", start: 0, end: start }, ...message(body, start, end, names)];
  for (let at = end; at + 4 <= body.length;) {
    const word = new DataView(body.buffer, body.byteOffset + at, 4).getUint32(0);
    const until = Math.min(at + 4 + (word & 0x7fffffff), body.length);
    fields.push(
      { name: "framing", start: at, end: at + 4 },
      { name: "ciphertext", start: at + 4, end: until },
    );
    at = until;
  }
  return fields;
}

/** The bytes fields of a protobuf message, by their numbers from 1; what is between them is framing. */
function message(body: Bytes, from: number, to: number, names: readonly FieldName[]): Field[] {
  const fields: Field[] = [];
  for (let at = from; at < to;) {
    const tag = varint(body, at);
    const length = varint(body, tag.end);
    const name = names[(tag.value >>> 3) - 1];
    const end = Math.min(length.end + length.value, to);
    fields.push({ name: "framing", start: at, end: length.end });
    if (name) fields.push({ name, start: length.end, end });
    at = end;
  }
  return fields;
}

function varint(bytes: Bytes, at: number): { value: number; end: number } {
  let value = 0;
  for (let shift = 0; shift < 35; shift += 7) {
    const byte = bytes[at++] ?? 0;
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) break;
  }
  return { value, end: at };
}

function find(bytes: Bytes, pattern: readonly number[], from: number): number {
  for (let at = bytes.indexOf(pattern[0] ?? 0, from); at >= 0; at = bytes.indexOf(pattern[0] ?? 0, at + 1)) {
    if (pattern.every((byte, offset) => bytes[at + offset] === byte)) return at;
  }
  return -1;
}

export function joined(parts: readonly Bytes[]): Bytes {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

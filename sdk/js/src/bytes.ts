/** Bytes and text, in runtimes without TextEncoder and atob too. */

/** Bytes that are not shared, as WebCrypto and Blob take them. */
export type Bytes = Uint8Array<ArrayBuffer>;

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

export function concat(...parts: readonly Uint8Array[]): Bytes {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Pieces put together as they come. It takes any number of them, in at most twice their bytes. */
export class Gathering {
  #room = new Uint8Array();
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** All so far. */
  get bytes(): Bytes {
    return this.#room.subarray(0, this.#length);
  }

  add(piece: Uint8Array): void {
    const length = this.#length + piece.length;
    if (length > this.#room.length) {
      const room = new Uint8Array(Math.max(length, 2 * this.#length));
      room.set(this.bytes);
      this.#room = room;
    }
    this.#room.set(piece, this.#length);
    this.#length = length;
  }
}

/** Not in constant time: for what is public. */
export function equal(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}

/** Two bytes, big-endian. */
export function u16(value: number): Bytes {
  return Uint8Array.of(value >>> 8, value);
}

/** Four bytes, big-endian. */
export function u32(value: number): Bytes {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

/** A length as Protocol Buffers writes it. */
export function varint(value: number): Bytes {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 0x7f) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  return Uint8Array.of(...bytes, rest);
}

/** Lower case. */
export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Throws URIError for a surrogate without the other. */
export function utf8(text: string): Bytes {
  return latin1(encodeURIComponent(text).replace(/%(..)/g, (_, code: string) => character(code)));
}

/** Throws URIError for what is not UTF-8. A byte-order mark is text. */
export function fromUtf8(bytes: Uint8Array): string {
  return decodeURIComponent(hex(bytes).replace(/../g, "%$&"));
}

/** Whether every surrogate has its other half, so that the text has a UTF-8. */
export function isWellFormed(text: string): boolean {
  try {
    encodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

/** A byte for each character. Throws TypeError for a character that is more than a byte. */
export function latin1(text: string): Bytes {
  return Uint8Array.from(text, (each) => {
    const code = each.codePointAt(0) ?? 0;
    if (code > 0xff) throw new TypeError("expected latin-1: characters up to U+00FF");
    return code;
  });
}

/** A character for each byte. */
export function fromLatin1(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

/** RFC 4648, section 5, without padding. */
export function base64url(bytes: Uint8Array): string {
  let text = "";
  let held = 0;
  let bits = 0;
  for (const byte of bytes) {
    held = ((held << 8) | byte) & 0xffff;
    for (bits += 8; bits >= 6; bits -= 6) text += ALPHABET.charAt((held >> (bits - 6)) & 0x3f);
  }
  return bits > 0 ? text + ALPHABET.charAt((held << (6 - bits)) & 0x3f) : text;
}

/** Throws TypeError for a text that `base64url` does not give. */
export function fromBase64url(text: string): Bytes {
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4));
  let held = 0;
  let bits = 0;
  let length = 0;
  for (const each of text) {
    held = ((held << 6) | ALPHABET.indexOf(each)) & 0xffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes[length++] = held >> bits;
    }
  }
  if (base64url(bytes) !== text) throw new TypeError("expected base64url without padding");
  return bytes;
}

function character(code: string): string {
  return String.fromCharCode(parseInt(code, 16));
}

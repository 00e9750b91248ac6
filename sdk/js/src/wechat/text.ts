/** Text as the platform reads and writes it, without TextDecoder and TextEncoder. */

import { utf8, type Bytes } from "../bytes.js";

const REPLACEMENT = 0xfffd;
const AT_ONCE = 4096; // arguments of one call

/** UTF-8. A surrogate without the other becomes U+FFFD. */
export function encodeText(text: string): Bytes {
  return utf8(text.replace(/[\uD800-\uDFFF]/gu, "\uFFFD")); // with `u`, pairs are characters of their own
}

/** UTF-8 as browsers decode it (WHATWG Encoding, 8.1.1): U+FFFD for what is none, one byte-order mark dropped. */
export function decodeText(bytes: Uint8Array): string {
  let text = "";
  let points: number[] = [];
  let at = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  while (at < bytes.length) {
    const length = sequenceLength(bytes[at] ?? 0);
    const good = prefixLength(bytes, at, length);
    points.push(good === length ? codePoint(bytes, at, length) : REPLACEMENT);
    at += Math.max(good, 1);
    if (points.length === AT_ONCE) {
      text += String.fromCodePoint(...points);
      points = [];
    }
  }
  return text + String.fromCodePoint(...points);
}

/** By its first byte; -1: none begins so. */
function sequenceLength(lead: number): number {
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4) return -1;
  if (lead < 0xe0) return 2;
  return lead < 0xf0 ? 3 : 4;
}

/** How many bytes of the sequence are there, and in their ranges. */
function prefixLength(bytes: Uint8Array, at: number, length: number): number {
  let good = 1;
  while (good < length && isContinuation(bytes, at, good)) good += 1;
  return good;
}

function isContinuation(bytes: Uint8Array, at: number, index: number): boolean {
  const lead = bytes[at];
  const byte = bytes[at + index] ?? 0;
  let [least, most] = [0x80, 0xbf];
  if (index === 1) {
    if (lead === 0xe0) least = 0xa0;
    if (lead === 0xed) most = 0x9f;
    if (lead === 0xf0) least = 0x90;
    if (lead === 0xf4) most = 0x8f;
  }
  return byte >= least && byte <= most;
}

function codePoint(bytes: Uint8Array, at: number, length: number): number {
  const lead = bytes[at] ?? 0;
  if (length === 1) return lead;
  let point = lead & (0x7f >> length);
  for (let index = 1; index < length; index += 1) point = (point << 6) | ((bytes[at + index] ?? 0) & 0x3f);
  return point;
}

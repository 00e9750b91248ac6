/** Padding (protocol, section 12). */

import { concat, varint } from "../bytes.js";

export type Padding = "none" | "padme";

const TAG = Uint8Array.of(0x7a); // field 15, length-delimited: `padding` in every inner message

/** The PADMÉ length at or above `length`: at most 12 % more (Nikitin et al., 2019). */
export function padme(length: number): number {
  if (length < 2) return length;
  const exponent = length.toString(2).length - 1;
  const step = 2 ** (exponent - exponent.toString(2).length);
  return Math.ceil(length / step) * step;
}

/**
 * A serialized inner message, filled to the smallest length in reach at or above its PADMÉ length.
 * One that would be longer than `most` then stays as it is.
 */
export function pad(serialized: Uint8Array, padding: Padding, most = Infinity): Uint8Array {
  const missing = padding === "padme" ? padme(serialized.length) - serialized.length : 0;
  if (missing === 0) return serialized;
  // A field of n zeros costs a tag and a varint beside them, so that not every length is in reach.
  let zeros = Math.max(0, missing - 6);
  while (fieldLength(zeros) < missing) zeros += 1;
  if (serialized.length + fieldLength(zeros) > most) return serialized;
  return concat(serialized, TAG, varint(zeros), new Uint8Array(zeros));
}

function fieldLength(zeros: number): number {
  return TAG.length + varint(zeros).length + zeros;
}

/** How a streamed message is cut up in the outer body (protocol, section 6): a preamble, then segments. */

import { concat, u32, varint } from "../bytes.js";
import type { Bytes } from "../bytes.js";
import { malformed } from "./messages.js";

const MAX_PREAMBLE = 2_048;
const MIN_SEGMENT = 16;
export const MAX_SEGMENT = 66_000;

const FINAL_BIT = 2 ** 31;
const HEAD_LENGTH = 4;

/** A serialized SealedRequest or SealedResponse with empty ciphertext. */
export interface Preamble {
  readonly kind: "preamble";
  readonly message: Uint8Array;
}

/** A segment as it was framed. `isFinal` is hearsay: it only tells which `aad` to try. */
export interface Segment {
  readonly kind: "segment";
  readonly ciphertext: Uint8Array;
  readonly isFinal: boolean;
}

export type Frame = Preamble | Segment;

export function framePreamble(message: Uint8Array): Bytes {
  if (message.length > MAX_PREAMBLE) {
    throw new RangeError(`expected a preamble of at most ${MAX_PREAMBLE} bytes, not ${message.length}`);
  }
  return concat(varint(message.length), message);
}

export function frameSegment(ciphertext: Uint8Array, isFinal: boolean): Bytes {
  const { length } = ciphertext;
  if (length < MIN_SEGMENT || length > MAX_SEGMENT) {
    throw new RangeError(`expected a segment of ${MIN_SEGMENT} to ${MAX_SEGMENT} bytes, not ${length}`);
  }
  return concat(u32(isFinal ? length + FINAL_BIT : length), ciphertext);
}

/** What becomes of bytes that are complete: a frame, or nothing yet. It says what to wait for next. */
type Step = (bytes: Uint8Array) => Frame | undefined;

/** Takes a streamed body apart as its bytes come. It holds one unfinished frame. */
export class FrameReader {
  /** Bytes of an unfinished frame. */
  held = 0;
  #awaited = new Uint8Array(1);
  #filled = 0;
  #step: Step = (bytes) => this.#length(bytes);

  /**
   * What is complete now: the preamble first, once, then segments. To be drained.
   * Throws LinkError("bad-response") for a length out of bounds, as soon as it can be read.
   */
  *receive(data: Uint8Array): Generator<Frame, void, undefined> {
    for (let at = 0; at < data.length;) {
      const end = Math.min(data.length, at + this.#awaited.length - this.#filled);
      this.#awaited.set(data.subarray(at, end), this.#filled);
      this.#filled += end - at;
      this.held += end - at;
      at = end;
      if (this.#filled < this.#awaited.length) return;
      const frame = this.#step(this.#awaited);
      if (frame === undefined) continue;
      this.held = 0;
      yield frame;
    }
  }

  #await(length: number, step: Step): void {
    this.#awaited = new Uint8Array(length);
    this.#filled = 0;
    this.#step = step;
  }

  #length([first = 0]: Uint8Array): Frame | undefined {
    if (first < 0x80) return this.#preamble(first);
    this.#await(1, ([second = 0]) => this.#preamble((first & 0x7f) | (second << 7)));
    return undefined;
  }

  #preamble(length: number): Frame | undefined {
    // Also when the varint goes on: the bit that says so adds 2^14.
    if (length > MAX_PREAMBLE) throw malformed(`a preamble of more than ${MAX_PREAMBLE} bytes`);
    const step: Step = (message) => {
      this.#await(HEAD_LENGTH, (head) => this.#head(head));
      return { kind: "preamble", message };
    };
    if (length === 0) return step(new Uint8Array());
    this.#await(length, step);
    return undefined;
  }

  #head(bytes: Uint8Array): Frame | undefined {
    const head = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
    const isFinal = head >= FINAL_BIT;
    const length = isFinal ? head - FINAL_BIT : head;
    if (length < MIN_SEGMENT || length > MAX_SEGMENT) throw malformed(`a segment of ${length} bytes`);
    this.#await(length, (ciphertext) => {
      this.#await(HEAD_LENGTH, (head) => this.#head(head));
      return { kind: "segment", ciphertext, isFinal };
    });
    return undefined;
  }
}

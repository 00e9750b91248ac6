/** A message in its streamed form (protocol, section 6): segment 0 is its head, the others are chunks of its body. */

import { concat } from "../bytes.js";
import type { Bytes } from "../bytes.js";
import { LinkError } from "../errors.js";
import { FrameReader, MAX_SEGMENT, framePreamble, frameSegment } from "./framing.js";
import type { Segment } from "./framing.js";
import type { Chunk, Field, InnerResponse } from "./inner.js";
import { malformed, parseChunk, parseResponse, serializeChunk } from "./messages.js";
import { pad } from "./padding.js";
import type { Padding } from "./padding.js";
import { TAG_LENGTH } from "./segments.js";
import type { SegmentCipher } from "./segments.js";

/** Bytes of data that a chunk may hold. */
export const MAX_DATA = 65_536;
const MAX_EMPTY = 16;
const MAX_PLAINTEXT = MAX_SEGMENT - TAG_LENGTH;
const NOTHING = new Uint8Array();

/** Seals a message segment by segment: `head`, then `write` as often as there is data, then `finish`, once. */
export class StreamWriter {
  #cipher: SegmentCipher | undefined;
  readonly #padding: Padding;
  #index = 0;

  constructor(cipher: SegmentCipher, padding: Padding) {
    this.#cipher = cipher;
    this.#padding = padding;
  }

  /** Preamble and segment 0, of two serialized messages. Rejects with RangeError when it does not fit. */
  async head(sealed: Uint8Array, inner: Uint8Array): Promise<Bytes> {
    if (inner.length > MAX_PLAINTEXT) {
      throw new RangeError(`expected at most ${MAX_PLAINTEXT} bytes without the body, not ${inner.length}`);
    }
    return concat(framePreamble(sealed), await this.#segment(inner, false));
  }

  /** Segments for `data`, none for none. */
  async write(data: Uint8Array): Promise<Bytes> {
    const segments: Bytes[] = [];
    for (let start = 0; start < data.length; start += MAX_DATA) {
      segments.push(await this.#segment(serializeChunk(data.subarray(start, start + MAX_DATA)), false));
    }
    return concat(...segments);
  }

  /** Segments for the last of the data, and the trailers in the final one. What comes after it is a bug. */
  async finish(data: Uint8Array = NOTHING, trailers: readonly Field[] = []): Promise<Bytes> {
    const beside = Math.floor(Math.max(0, data.length - 1) / MAX_DATA) * MAX_DATA;
    const start = trailers.length > 0 ? data.length : beside;
    const segments = await this.write(data.subarray(0, start));
    const last = await this.#segment(serializeChunk(data.subarray(start), trailers), true);
    this.#cipher = undefined;
    return concat(segments, last);
  }

  async #segment(plaintext: Uint8Array, isFinal: boolean): Promise<Bytes> {
    if (this.#cipher === undefined) throw new Error("this message has been finished");
    const padded = pad(plaintext, this.#padding, MAX_PLAINTEXT);
    return frameSegment(await this.#cipher.seal(this.#index++, padded, isFinal), isFinal);
  }
}

/**
 * Opens a streamed response as its bytes come: first its head, then its body as chunks.
 * `cipherOf` finds the keys by the preamble. After an error nothing opens any more.
 */
export class StreamReader {
  /** The inner response without its body, once segment 0 has opened. */
  head: InnerResponse | undefined;
  readonly #frames = new FrameReader();
  readonly #cipherOf: (preamble: Uint8Array) => Promise<SegmentCipher>;
  #cipher: SegmentCipher | undefined; // none after the end, and after an error
  #index = 0;
  #empty = 0;
  #hasFinal = false;

  constructor(cipherOf: (preamble: Uint8Array) => Promise<SegmentCipher>) {
    this.#cipherOf = cipherOf;
  }

  /** Whether the final segment has opened, and nothing has come after it. */
  get isComplete(): boolean {
    return this.#hasFinal && this.#frames.held === 0;
  }

  /**
   * The chunks that have come whole, each opened as it is asked for; those before a bad segment, and then
   * LinkError("bad-response"). To be drained before more is received.
   */
  async *receive(data: Uint8Array): AsyncGenerator<Chunk, void, undefined> {
    try {
      for (const frame of this.#frames.receive(data)) {
        if (frame.kind === "preamble") this.#cipher = await this.#cipherOf(frame.message);
        else if (this.head === undefined) this.head = await this.#openHead(frame);
        else yield await this.#chunk(frame);
      }
      if (this.#hasFinal && !this.isComplete) throw malformed("bytes after the final segment");
    } catch (error) {
      this.#cipher = undefined;
      this.#hasFinal = false;
      throw error;
    }
  }

  /** The outer body has ended. Throws LinkError("truncated") for a message that has not. */
  end(): void {
    if (this.isComplete) return;
    throw new LinkError("truncated", `it ends at segment ${this.#index}`, { outcomeUnknown: true });
  }

  async #openHead(frame: Segment): Promise<InnerResponse> {
    const plaintext = await this.#opened(frame);
    if (frame.isFinal) throw malformed("segment 0 is final");
    const head = parseResponse(plaintext);
    if (head.body.length > 0) throw malformed("a body in segment 0");
    return head;
  }

  async #chunk(frame: Segment): Promise<Chunk> {
    const chunk = parseChunk(await this.#opened(frame));
    const { length } = chunk.data;
    if (length > MAX_DATA) throw malformed(`a chunk of ${length} bytes`);
    if (chunk.trailers.length > 0 && !frame.isFinal) throw malformed("trailers before the final segment");
    this.#empty = length > 0 ? 0 : this.#empty + 1;
    if (this.#empty > MAX_EMPTY) throw malformed(`more than ${MAX_EMPTY} segments without data in a row`);
    if (frame.isFinal) {
      this.#cipher = undefined;
      this.#hasFinal = true;
    }
    return chunk;
  }

  async #opened(frame: Segment): Promise<Uint8Array> {
    if (this.#cipher === undefined) throw malformed("a segment after the end");
    return this.#cipher.open(this.#index++, frame.ciphertext, frame.isFinal);
  }
}

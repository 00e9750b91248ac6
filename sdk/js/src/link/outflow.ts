/** A request's body on its way out, sealed piece by piece (protocol, section 6). */

import { LinkError } from "../errors.js";
import type { SealedStream } from "../wire/envelope.js";
import { MAX_DATA } from "../wire/streams.js";

type Body = Uint8Array | AsyncIterable<Uint8Array>;

/**
 * The outer body, to be iterated over once: sealed as the caller's body comes. A body of another length than
 * `declared` throws, and so does what the caller's own throws: `failure` has it then, whatever the carrier makes of
 * it. The final segment has not left in that case, so that nobody takes a part for the whole.
 */
export class Outflow implements AsyncIterable<Uint8Array> {
  failure: { readonly error: unknown } | undefined;
  /** Told when the next word is the caller's, and when it no longer is. */
  asking: () => void = () => undefined;
  asked: () => void = () => undefined;
  readonly #stream: Pick<SealedStream, "head" | "writer">;
  readonly #body: Body;
  readonly #declared: number | undefined;
  #taken = 0;

  constructor(stream: Pick<SealedStream, "head" | "writer">, body: Body, declared: number | undefined) {
    this.#stream = stream;
    this.#body = body;
    this.#declared = declared;
  }

  /** Bytes of the caller's that have been sealed, or are about to be. */
  get taken(): number {
    return this.#taken;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    yield this.#stream.head;
    try {
      if (this.#body instanceof Uint8Array) yield* this.#sealed(this.#body);
      else yield* this.#sealedAll(this.#body);
      if (this.#taken < (this.#declared ?? 0)) throw wrongLength("shorter");
    } catch (error) {
      this.failure = { error };
      throw error;
    }
    yield await this.#stream.writer.finish();
  }

  async *#sealedAll(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    this.asking();
    for await (const piece of body) {
      this.asked();
      yield* this.#sealed(piece);
      this.asking();
    }
    this.asked();
  }

  /** Segment by segment, so that a body in one piece is not in memory twice. */
  async *#sealed(piece: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
    this.#taken += piece.length;
    if (this.#taken > (this.#declared ?? Infinity)) throw wrongLength("longer");
    for (let at = 0; at < piece.length; at += MAX_DATA) {
      yield await this.#stream.writer.write(piece.subarray(at, at + MAX_DATA));
    }
  }
}

function wrongLength(how: "shorter" | "longer"): LinkError {
  const reason = `the body is ${how} than its declared length`;
  return new LinkError("bad-request", reason, { outcomeUnknown: true });
}

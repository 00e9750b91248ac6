/** A request's body, as it leaves. */

import { Gathering, type Bytes } from "../bytes.js";
import { piecesOf, type Pieces } from "./pieces.js";

export interface Payload {
  content: Uint8Array | Pieces;
  /** In bytes, where it is known. */
  length?: number;
  /** It can be read once, and so not again after a redirect. */
  once: boolean;
}

// What is held in memory, and so can be sealed a second time. The gateway's limit for whole requests is about that.
const IN_HAND = 2 ** 20;
const SLICE = 2 ** 18; // of a file: what is read, and told as progress, at once

/**
 * The body of `request`, of which `given` is what the caller has put into `init.body`, if anything. The request
 * has made its content type by then. Rejects with what reading it rejects with.
 */
export async function payloadOf(
  request: Request,
  given: unknown,
  signal: AbortSignal,
): Promise<Payload | null> {
  if (given instanceof ReadableStream) return { content: piecesOf(given, signal), once: true };
  if (request.method === "GET" || request.method === "HEAD") return null;
  if (given instanceof Blob) return ofBlob(given);
  if (given == null && request.body === null) return null;
  // Firefox has no `body` of requests; it has no streams in them either.
  if (given == null && request.body instanceof ReadableStream)
    return ofStream(piecesOf(request.body, signal));
  return ofBlob(await request.blob());
}

/** Small ones are read; large ones, of files say, are left where they are until they are sent. */
async function ofBlob(blob: Blob): Promise<Payload> {
  const isSmall = blob.size <= IN_HAND;
  const content = isSmall ? new Uint8Array(await blob.arrayBuffer()) : new Slices(blob);
  return { content, length: blob.size, once: false };
}

class Slices implements AsyncIterable<Uint8Array> {
  readonly #blob: Blob;

  constructor(blob: Blob) {
    this.#blob = blob;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Bytes> {
    for (let at = 0; at < this.#blob.size; at += SLICE) {
      yield new Uint8Array(await this.#blob.slice(at, at + SLICE).arrayBuffer());
    }
  }
}

/** Of a Request that was given: whoever made it may have had text or a stream. What is short is read. */
async function ofStream(pieces: Pieces): Promise<Payload> {
  const iterator = pieces[Symbol.asyncIterator]();
  const taken = new Gathering();
  while (taken.length <= IN_HAND) {
    const next = await iterator.next();
    if (next.done) return { content: taken.bytes, length: taken.length, once: false };
    taken.add(next.value);
  }
  return { content: resumed(taken.bytes, iterator), once: true };
}

async function* resumed(taken: Bytes, iterator: AsyncIterator<Uint8Array>): Pieces {
  yield taken;
  yield* { [Symbol.asyncIterator]: () => iterator };
}

/** Bytes that come piece by piece: what streams and the link make of each other. */

import { Gathering, type Bytes } from "../bytes.js";
import type { Stop } from "./stop.js";

export type Pieces = AsyncIterable<Uint8Array>;

/**
 * What a stream holds, read as it is asked for. The stream is locked at once, as by `fetch`, and canceled when
 * nobody wants the rest, or when the call is stopped, even in the midst of a read.
 */
export function piecesOf(stream: ReadableStream<unknown>, signal?: AbortSignal): Pieces {
  const reader = stream.getReader();
  const cancel = (): void => {
    reader.cancel(signal?.reason).catch(() => undefined);
  };
  if (signal?.aborted) cancel();
  signal?.addEventListener("abort", cancel, { once: true });
  return read(reader, cancel);
}

async function* read(reader: ReadableStreamDefaultReader<unknown>, cancel: () => void): Pieces {
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      if (!(value instanceof Uint8Array)) throw new TypeError("expected pieces of a body to be Uint8Array");
      yield value;
    }
  } finally {
    cancel();
  }
}

/**
 * The body of an answer, as `fetch` has it: a stream that asks for no more than its reader does. To cancel it
 * stops the call; a call that is stopped breaks it off with the reason.
 */
export function streamOf(pieces: Pieces, stop: Stop): ReadableStream<Bytes> {
  const iterator = pieces[Symbol.asyncIterator]();
  const source = {
    start: (controller: Controller): void => {
      stop.signal.addEventListener("abort", () => {
        controller.error(stop.signal.reason);
      });
    },
    pull: async (controller: Controller): Promise<void> => {
      const data = await nextData(iterator);
      if (stop.signal.aborted) return;
      if (data !== undefined) controller.enqueue(owned(data));
      else close(controller, stop);
    },
    cancel: (reason: unknown): void => {
      stop.now(reason);
      iterator.return?.().catch(() => undefined);
    },
  };
  // Readers of both kinds, where the platform has the second.
  return "ReadableByteStreamController" in globalThis
    ? new ReadableStream({ ...source, type: "bytes" }, { highWaterMark: 0 })
    : new ReadableStream(source, { highWaterMark: 0 });
}

type Controller = ReadableByteStreamController | ReadableStreamDefaultController<Bytes>;

function close(controller: Controller, stop: Stop): void {
  stop.release();
  controller.close();
  if ("byobRequest" in controller) controller.byobRequest?.respond(0);
}

/** The next piece that is not empty. */
export async function nextData(iterator: AsyncIterator<Uint8Array>): Promise<Uint8Array | undefined> {
  for (;;) {
    const next = await iterator.next();
    if (next.done) return undefined;
    if (next.value.length > 0) return next.value;
  }
}

/** A byte stream takes the whole buffer away from whoever gives it a view. */
export function owned(data: Uint8Array): Bytes {
  const { buffer } = data;
  const isAlone = buffer instanceof ArrayBuffer && buffer.byteLength === data.byteLength;
  return isAlone ? new Uint8Array(buffer) : new Uint8Array(data);
}

export async function gathered(pieces: Pieces): Promise<Bytes> {
  const whole = new Gathering();
  for await (const piece of pieces) whole.add(piece);
  return whole.bytes;
}

/** Reads a body that nobody wants to its end, or as far as its first byte: what a connection lives on. */
export async function discard(pieces: Pieces): Promise<void> {
  try {
    await nextDataAndLeave(pieces);
  } catch {
    // Nothing of it is missed.
  }
}

async function nextDataAndLeave(pieces: Pieces): Promise<void> {
  for await (const piece of pieces) if (piece.length > 0) return;
}

/** A streamed answer (protocol, section 6) as the inner body that comes out of it. */

import { LinkError } from "../errors.js";
import type { InnerResponse } from "../wire/inner.js";
import type { StreamReader } from "../wire/streams.js";
import type { Lifeline } from "./abort.js";
import type { Field } from "./call.js";
import type { OuterAnswer } from "./carrier.js";
import { outcomeOf } from "./events.js";
import type { Trace } from "./events.js";

const HEAD = new Uint8Array();

/**
 * First `open`; then iterate, once. It yields what has opened before a bad segment, and throws
 * LinkError("bad-response") then; for an end without the final segment it throws LinkError("truncated"). Whoever
 * leaves before the end closes the outer exchange, in the middle of a `next` too.
 */
export class Inflow implements AsyncIterableIterator<Uint8Array, undefined> {
  /** Settles with the body. */
  readonly trailers: Promise<Field[]>;
  readonly #answer: OuterAnswer;
  readonly #reader: StreamReader;
  readonly #lifeline: Lifeline;
  readonly #trace: Trace;
  readonly #pieces: AsyncGenerator<Uint8Array, undefined, undefined>;
  #hasHead = false;
  #last: Field[] = [];
  #settle: (trailers: Field[]) => void = () => undefined;
  #fail: (error: unknown) => void = () => undefined;

  constructor(answer: OuterAnswer, reader: StreamReader, lifeline: Lifeline, trace: Trace) {
    this.#answer = answer;
    this.#reader = reader;
    this.#lifeline = lifeline;
    this.#trace = trace;
    this.trailers = new Promise((resolve, reject) => {
      this.#settle = resolve;
      this.#fail = reject;
    });
    this.trailers.catch(() => undefined); // the body says it too
    this.#pieces = this.#explained();
  }

  /** The inner response without body and trailers. Rejects with LinkError, outcome unknown. */
  async open(): Promise<InnerResponse> {
    await this.#pieces.next();
    if (!this.#reader.head) throw new LinkError("truncated", "no head", { outcomeUnknown: true });
    return this.#reader.head;
  }

  /** What comes from here on is the caller's to read, or to leave. */
  handOver(): void {
    this.#lifeline.calm();
    const { signal } = this.#lifeline;
    signal.addEventListener("abort", () => {
      this.#fail(signal.reason);
      this.#trace.end({ outcome: "aborted", outcomeUnknown: true });
    });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Uint8Array, undefined>> {
    return this.#pieces.next();
  }

  return(): Promise<IteratorResult<Uint8Array, undefined>> {
    this.#answer.cancel();
    return this.#pieces.return(undefined);
  }

  async *#explained(): AsyncGenerator<Uint8Array, undefined, undefined> {
    try {
      yield* this.#opened();
    } catch (error) {
      if (!(isBroken(error) && this.#reader.isComplete)) throw this.#failed(error);
    }
    this.#lifeline.end();
    this.#settle(this.#last);
    this.#trace.end({ outcome: "answered" });
    return undefined;
  }

  /** First an empty piece, when the head is there; in `finally`, so that a bad segment comes after it. */
  async *#opened(): AsyncGenerator<Uint8Array, void, undefined> {
    const { sizes } = this.#trace.event;
    for await (const piece of this.#answer.body) {
      sizes.received += piece.length;
      try {
        for await (const { data, trailers } of this.#trace.timeEach("open", this.#reader.receive(piece))) {
          if (this.#isHeadNew()) yield HEAD;
          sizes.body += data.length;
          this.#last = trailers;
          if (data.length > 0) yield data;
        }
      } finally {
        if (this.#isHeadNew()) yield HEAD;
      }
    }
    this.#reader.end();
  }

  #isHeadNew(): boolean {
    const isNew = !this.#hasHead && this.#reader.head !== undefined;
    this.#hasHead ||= isNew;
    return isNew;
  }

  /** The loss of the connection is the end of a message that has not ended. */
  #failed(error: unknown): unknown {
    const told = isBroken(error)
      ? new LinkError("truncated", error.reason, { outcomeUnknown: true, cause: error.cause })
      : error;
    this.#fail(told);
    if (this.#hasHead) this.#trace.end(outcomeOf(told, true));
    this.#answer.cancel();
    return told;
  }
}

function isBroken(error: unknown): error is LinkError {
  return error instanceof LinkError && error.code === "network";
}

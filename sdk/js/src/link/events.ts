/** What an app may know of each exchange, to find a fault in the field from either end. */

import { LinkError } from "../errors.js";
import type { LinkErrorCode } from "../errors.js";
import type { AbortSignalLike } from "./carrier.js";

export interface ExchangeEvent {
  method: string;
  /** Of the inner request; its path and query stay with the caller. */
  authority: string;
  /** Answered: to the end of the body. Aborted: by the caller's signal, or by leaving the body unread. */
  outcome: "answered" | "failed" | "aborted";
  /** Of a failure that is the link's; without one it is the request's own body that failed. */
  code?: LinkErrorCode;
  /** Of whatever was not answered to its end: whether it may have run. */
  outcomeUnknown?: boolean;
  /** The upstream's. */
  status?: number;
  /** `x-request-id`, as in Envoy's access log, where the platform lets it be seen. */
  requestId?: string;
  /** The gateway key, in hexadecimal. */
  keyId?: string;
  requestForm?: "whole" | "streamed";
  answerForm?: "whole" | "streamed";
  repeated: boolean;
  timings: Timings;
  sizes: Sizes;
}

/** Milliseconds, over both sealings when there are two. */
export interface Timings {
  /** Until there was a directory to go by, and for a newer one. */
  directory: number;
  /** Sealing, the first segment's alone where it streams. */
  seal: number;
  /** From there to the answer's head: the way, the gateway, the upstream. */
  wait: number;
  /** Opening; of a stream, all of its segments. */
  open: number;
  /** All of it, with the body's way. */
  total: number;
}

/** Bytes, over both sealings when there are two. */
export interface Sizes {
  /** Outer bodies handed to the platform. */
  sent: number;
  received: number;
  /** Inner body of the answer, as far as it has opened. */
  body: number;
}

type Stage = "directory" | "seal" | "wait" | "open";
type Outcome = Pick<ExchangeEvent, "outcome" | "code" | "outcomeUnknown" | "requestId">;

/** Of an exchange that has failed; `isSent`: what is no LinkError leaves it open whether it has run. */
export function outcomeOf(error: unknown, isSent: boolean, signal?: AbortSignalLike): Outcome {
  if (signal?.aborted) return { outcome: "aborted", outcomeUnknown: isSent };
  if (!(error instanceof LinkError)) return { outcome: "failed", outcomeUnknown: isSent };
  const { code, outcomeUnknown, requestId } = error;
  return { outcome: "failed", code, outcomeUnknown, ...(requestId === undefined ? {} : { requestId }) };
}

/** Gathers one event; `tell` gets it once. */
export class Trace {
  readonly event: ExchangeEvent;
  readonly #clock: () => number;
  readonly #tell: (event: ExchangeEvent) => void;
  readonly #startedAt: number;
  #counted = 0;
  #isTold = false;

  constructor(
    call: { method: string; authority: string },
    clock: () => number,
    tell: (event: ExchangeEvent) => void,
  ) {
    const timings = { directory: 0, seal: 0, wait: 0, open: 0, total: 0 };
    const sizes = { sent: 0, received: 0, body: 0 };
    const { method, authority } = call;
    this.event = { method, authority, outcome: "failed", repeated: false, timings, sizes };
    this.#clock = clock;
    this.#tell = tell;
    this.#startedAt = clock();
  }

  /** Counts the time that `work` takes, however it ends, but for what is counted inside it. */
  async time<T>(stage: Stage, work: () => Promise<T>): Promise<T> {
    const begun = this.#clock() - this.#counted;
    try {
      return await work();
    } finally {
      const spent = this.#clock() - this.#counted - begun;
      this.event.timings[stage] += spent;
      this.#counted += spent;
    }
  }

  /** Counts what each item takes to come. */
  async *timeEach<T>(stage: Stage, items: AsyncIterable<T>): AsyncGenerator<T, void, undefined> {
    const iterator = items[Symbol.asyncIterator]();
    for (;;) {
      const item = await this.time(stage, () => iterator.next());
      if (item.done) return;
      yield item.value;
    }
  }

  end(outcome: Outcome): void {
    if (this.#isTold) return;
    this.#isTold = true;
    this.event.timings.total = this.#clock() - this.#startedAt;
    this.#tell(Object.assign(this.event, outcome));
  }
}

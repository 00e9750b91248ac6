/** One request as its caller holds it: what `wx.request` gives back. */

import { LinkError } from "../errors.js";
import { Breaker } from "../link/abort.js";
import type {
  ChunkReceived,
  HeadersReceived,
  LinkFailure,
  RequestOptions,
  RequestResult,
  RequestTask,
} from "./wx.js";

// https://developers.weixin.qq.com/miniprogram/dev/framework/usability/PublicErrno.html
const TIMED_OUT = 5;
const UNKNOWN_NETWORK_ERROR = 600000;
const INTERRUPTED = 600003;

/** Settled once, by whatever comes first; `signal` ends the exchange behind it. */
export class LinkTask implements RequestTask {
  readonly signal = new Breaker();
  readonly heads = new Listeners<HeadersReceived>();
  readonly chunks = new Listeners<ChunkReceived>();
  readonly #options: RequestOptions;
  #isSettled = false;

  constructor(options: RequestOptions) {
    this.#options = options;
  }

  abort(): void {
    const failure = { errMsg: "request:fail abort", errno: INTERRUPTED, outcomeUnknown: true };
    this.#settle(() => this.#options.fail?.(failure), failure);
    this.#cut();
  }

  /** What takes longer than this is at its end, whatever has come of it. */
  expire(timeoutMs: number): void {
    this.fail(new LinkError("timeout", `not done within ${timeoutMs} ms`, { outcomeUnknown: true }));
    this.#cut();
  }

  succeed(result: RequestResult): void {
    this.#settle(() => this.#options.success?.(result), result);
  }

  fail(error: unknown): void {
    const failure = toFailure(error);
    this.#settle(() => this.#options.fail?.(failure), failure);
  }

  onHeadersReceived(listener: (head: HeadersReceived) => void): void {
    this.heads.add(listener);
  }

  offHeadersReceived(listener?: (head: HeadersReceived) => void): void {
    this.heads.remove(listener);
  }

  onChunkReceived(listener: (chunk: ChunkReceived) => void): void {
    this.chunks.add(listener);
  }

  offChunkReceived(listener?: (chunk: ChunkReceived) => void): void {
    this.chunks.remove(listener);
  }

  /** Once. Callbacks come later, as the platform's do; what they throw is reported as theirs. */
  #settle(tell: () => void, outcome: RequestResult | LinkFailure): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    void Promise.resolve()
      .then(tell)
      .finally(() => this.#options.complete?.(outcome));
  }

  #cut(): void {
    this.heads.remove();
    this.chunks.remove();
    this.signal.abort(undefined);
  }
}

/** In the order in which they came. */
class Listeners<Event> {
  readonly #listeners = new Set<(event: Event) => void>();

  add(listener: (event: Event) => void): void {
    this.#listeners.add(listener);
  }

  remove(listener?: (event: Event) => void): void {
    if (listener === undefined) this.#listeners.clear();
    else this.#listeners.delete(listener);
  }

  /** What a listener throws is reported as its own, and costs the request nothing. */
  tell(event: Event): void {
    for (const listener of this.#listeners) {
      void Promise.resolve().then(() => {
        if (this.#listeners.has(listener)) listener(event);
      });
    }
  }
}

function toFailure(error: unknown): LinkFailure {
  if (!(error instanceof LinkError)) {
    const reason = error instanceof Error ? error.message : String(error);
    return { errMsg: `request:fail ${reason}`, errno: UNKNOWN_NETWORK_ERROR, outcomeUnknown: true };
  }
  const { code, message, fault, outcomeUnknown, requestId } = error;
  const isTimeout = code === "timeout";
  return {
    errMsg: `request:fail ${isTimeout ? "timeout" : message}`,
    errno: isTimeout ? TIMED_OUT : UNKNOWN_NETWORK_ERROR,
    code,
    outcomeUnknown,
    ...(fault === undefined ? {} : { fault }),
    ...(requestId === undefined ? {} : { requestId }),
  };
}

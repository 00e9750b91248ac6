/** Ending what has begun: by its caller, or because nothing comes. */

import { LinkError } from "../errors.js";
import type { AbortSignalLike } from "./carrier.js";
import type { Platform } from "./platform.js";

/** AbortController and its signal in one, for platforms without them. */
export class Breaker implements AbortSignalLike {
  aborted = false;
  reason: unknown;
  readonly #listeners = new Set<() => void>();

  /** The first reason stays. */
  abort(reason: unknown): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason;
    for (const listener of this.#listeners) listener();
    this.#listeners.clear();
  }

  addEventListener(_: "abort", listener: () => void): void {
    this.#listeners.add(listener);
  }

  removeEventListener(_: "abort", listener: () => void): void {
    this.#listeners.delete(listener);
  }
}

/** Why it was aborted, as `fetch` tells it: the caller's own reason, or an AbortError. */
export function abortReason(signal: AbortSignalLike): unknown {
  if (signal.reason !== undefined) return signal.reason;
  const text = "the request was aborted";
  if (typeof DOMException === "function") return new DOMException(text, "AbortError");
  return Object.assign(new Error(text), { name: "AbortError" });
}

export function throwIfAborted(signal: AbortSignalLike | undefined): void {
  if (signal?.aborted) throw abortReason(signal);
}

/** What `promise` gives, unless the signal is quicker. The work behind it goes on. */
export function unlessAborted<T>(signal: AbortSignalLike | undefined, promise: Promise<T>): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- the caller's, whatever it is
      reject(abortReason(signal));
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort);
    promise.then(resolve, reject).finally(() => {
      signal.removeEventListener("abort", onAbort);
    });
  });
}

/**
 * How long one outer exchange may go on: until its caller aborts it, or until it has been silent for too long.
 * `signal` is the carrier's; its reason is what the caller is told.
 */
export class Lifeline {
  readonly signal = new Breaker();
  readonly #platform: Platform;
  readonly #caller: AbortSignalLike | undefined;
  readonly #onAbort: () => void;
  #timeoutMs: number;
  #disarm: () => void = () => undefined;

  /** `timeoutMs`: of silence; 0: for as long as it likes. */
  constructor(platform: Platform, timeoutMs: number, caller?: AbortSignalLike) {
    this.#platform = platform;
    this.#timeoutMs = timeoutMs;
    this.#caller = caller;
    this.#onAbort = () => {
      this.cut(caller && abortReason(caller));
    };
    if (caller?.aborted) this.#onAbort();
    else caller?.addEventListener("abort", this.#onAbort);
    this.touch();
  }

  /** Something has moved; what comes next may take `extraMs` longer. */
  touch(extraMs = 0): void {
    this.pause();
    if (this.#timeoutMs === 0 || this.signal.aborted) return;
    const allowedMs = Math.round(this.#timeoutMs + extraMs);
    this.#disarm = this.#platform.timer(allowedMs, () => {
      this.cut(new LinkError("timeout", `silent for ${allowedMs} ms`, { outcomeUnknown: true }));
    });
  }

  /** The next word is not the gateway's. */
  pause(): void {
    this.#disarm();
    this.#disarm = () => undefined;
  }

  /** From here on it may be silent. */
  calm(): void {
    this.pause();
    this.#timeoutMs = 0;
  }

  /** It is over: what the caller aborts from here on is something else. */
  end(): void {
    this.calm();
    this.#caller?.removeEventListener("abort", this.#onAbort);
  }

  cut(reason: unknown): void {
    this.end();
    this.signal.abort(reason);
  }
}

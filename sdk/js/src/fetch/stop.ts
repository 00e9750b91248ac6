/** Ends one call: when the caller's signal says so, or when nobody reads its answer any more. */

import { unlessAborted } from "../link/abort.js";

export class Stop {
  /** Of the call as a whole: what is below it listens here. */
  readonly signal: AbortSignal;
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal | undefined;
  readonly #follow = (): void => {
    this.now(this.#outer?.reason);
  };

  constructor(outer?: AbortSignal | null) {
    this.signal = this.#controller.signal;
    this.#outer = outer ?? undefined;
    if (outer?.aborted) this.#follow();
    else outer?.addEventListener("abort", this.#follow);
  }

  /** Without a reason it is the platform's AbortError. */
  now(reason?: unknown): void {
    this.#controller.abort(reason);
    this.release();
  }

  /** The call has ended: the caller's signal, which may live long, forgets it. */
  release(): void {
    this.#outer?.removeEventListener("abort", this.#follow);
  }

  /** The promise, unless the call is stopped first: then it rejects with the reason. */
  before<T>(promise: Promise<T>): Promise<T> {
    return unlessAborted(this.signal, promise);
  }
}

/** What ends a request of axios before its answer: its signal, its cancel token, its timeout. */

import type { Axios, Config } from "./axios.js";

export class Deadline {
  /** Its reason is what axios throws then. */
  readonly signal: AbortSignal;
  readonly #controller = new AbortController();
  readonly #config: Config;
  readonly #cancel: () => void;
  readonly #cancelBy: (reason: unknown) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(config: Config, axios: Axios) {
    this.signal = this.#controller.signal;
    this.#config = config;
    this.#cancel = () => {
      this.#controller.abort(new axios.CanceledError(undefined, config));
    };
    // Its reason is a CanceledError already.
    this.#cancelBy = (reason) => {
      this.#controller.abort(reason);
    };
    if (config.signal?.aborted) this.#cancel();
    config.signal?.addEventListener?.("abort", this.#cancel);
    config.cancelToken?.subscribe(this.#cancelBy);
    if (config.timeout) this.#expire(config, config.timeout, axios);
  }

  /** There is an answer; a stream can still be canceled. */
  end(isStream: boolean): void {
    clearTimeout(this.#timer);
    if (isStream) return;
    this.#config.signal?.removeEventListener?.("abort", this.#cancel);
    this.#config.cancelToken?.unsubscribe(this.#cancelBy);
  }

  #expire(config: Config, timeout: number, { AxiosError }: Axios): void {
    const { transitional, timeoutErrorMessage = `timeout of ${timeout}ms exceeded` } = config;
    const code = transitional?.clarifyTimeoutError ? AxiosError.ETIMEDOUT : AxiosError.ECONNABORTED;
    this.#timer = setTimeout(() => {
      this.#controller.abort(new AxiosError(timeoutErrorMessage, code, config));
    }, timeout);
  }
}

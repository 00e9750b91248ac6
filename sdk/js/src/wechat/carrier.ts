/** Outer requests over `wx.request`. */

import type { Carrier, OuterAnswer, OuterRequest } from "../link/carrier.js";
import { abortReason } from "../link/abort.js";
import { mediaForm } from "../wire/media.js";
import { isBuffer, toBuffer } from "./data.js";
import { cookieLines, fieldOf } from "./fields.js";
import type { Jar } from "./jar.js";
import { Pipe } from "./pipe.js";
import { parseUrl } from "./url.js";
import type { HeadersReceived, RequestOptions, RequestTask, Wx } from "./wx.js";

const A_DAY_MS = 86_400_000; // what takes too long is ended above, by each request's own `timeout`

/**
 * An upload leaves as one ArrayBuffer; an answer comes in pieces where the base library has `enableChunked` (2.20.2).
 * Redirects are not followed from base library 3.2.2 on; before that the platform follows them, with an envelope that
 * nobody else can open.
 */
export function wxCarrier(wx: Wx, jar: Jar): Carrier {
  const request = wx.request.bind(wx); // the platform's own, whatever may be installed in its place
  return {
    streamsRequests: false,
    send: (outer) => new Sending(outer, jar).start(request),
  };
}

/** One outer request on its way. What the platform tells in its callbacks may come in any order. */
class Sending {
  readonly #outer: OuterRequest;
  readonly #jar: Jar;
  readonly #pipe = new Pipe(() => {
    this.#abort();
  });
  #task: Pick<RequestTask, "abort"> | undefined;
  #isAnswered = false;
  #hasPieces = false;
  #answered: (answer: OuterAnswer) => void = () => undefined;
  #failed: (failure: Error) => void = () => undefined;

  constructor(outer: OuterRequest, jar: Jar) {
    this.#outer = outer;
    this.#jar = jar;
  }

  start(request: Wx["request"]): Promise<OuterAnswer> {
    const { signal } = this.#outer;
    return new Promise<OuterAnswer>((resolve, reject) => {
      this.#answered = resolve;
      this.#failed = reject;
      if (signal?.aborted) throw abortReason(signal);
      const task: Partial<RequestTask> & Pick<RequestTask, "abort"> = request(this.#options());
      this.#task = task;
      signal?.addEventListener("abort", this.#abort);
      task.onHeadersReceived?.((head: Partial<HeadersReceived>) => {
        this.#onHead(head);
      });
      task.onChunkReceived?.(({ data }) => {
        this.#hasPieces = true;
        this.#pipe.push(data);
      });
    });
  }

  #options(): RequestOptions {
    const { method, url, body } = this.#outer;
    if (body !== undefined && !(body instanceof Uint8Array))
      throw new TypeError("expected a body in one piece");
    return {
      url,
      method,
      header: this.#header(),
      ...(body === undefined ? {} : { data: toBuffer(body) }),
      dataType: "other",
      responseType: "arraybuffer",
      enableChunked: method === "POST",
      redirect: "manual",
      timeout: A_DAY_MS,
      success: (result) => {
        this.#onSuccess(result);
      },
      fail: ({ errMsg }) => {
        this.#onFailure(new Error(errMsg));
      },
    };
  }

  #header(): Record<string, string> {
    const { headers, credentials, fresh } = this.#outer;
    const cookie = credentials === "include" ? this.#jar.header(this.#path) : "";
    return {
      ...headers,
      ...(cookie === "" ? {} : { cookie }),
      ...(fresh ? { "cache-control": "no-cache" } : {}),
    };
  }

  get #path(): string {
    return parseUrl(this.#outer.url)?.path ?? "/";
  }

  /** The developer tools tell no status here, and then it is for the end to say; but a stream can't wait for that. */
  #onHead(head: Partial<HeadersReceived>): void {
    const isStream = mediaForm(fieldOf(head.header, "content-type")) === "streamed";
    const status = head.statusCode ?? (isStream ? 200 : undefined);
    if (status === undefined) return;
    this.#answer(status, head);
    if (status >= 300 && status < 400) this.#pipe.end(); // `redirect: "manual"` tells nothing more
  }

  #onSuccess(result: Partial<HeadersReceived> & { data?: unknown }): void {
    this.#answer(result.statusCode ?? 0, result);
    if (!this.#hasPieces && isBuffer(result.data)) this.#pipe.push(result.data);
    this.#end();
  }

  #onFailure(failure: Error): void {
    this.#failed(failure);
    this.#end(failure);
  }

  #end(failure?: Error): void {
    this.#outer.signal?.removeEventListener("abort", this.#abort);
    this.#pipe.end(failure);
  }

  #answer(status: number, head: Partial<HeadersReceived>): void {
    if (this.#isAnswered) return;
    this.#isAnswered = true;
    if (this.#outer.credentials === "include") this.#jar.keep(cookieLines(head), this.#path);
    this.#answered({
      status,
      header: (name) => fieldOf(head.header, name),
      body: this.#pipe,
      cancel: () => {
        this.#abort();
      },
    });
  }

  readonly #abort = (): void => {
    this.#task?.abort();
    this.#onFailure(new Error("request:fail abort"));
  };
}

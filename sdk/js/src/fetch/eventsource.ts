/** EventSource over the link (HTML, 9.2). */

import { LinkError, type LinkErrorCode } from "../errors.js";
import type { Fetch } from "./exchange.js";
import { EventStreamReader } from "./eventstream.js";

export interface LinkEventSourceInit extends EventSourceInit {
  /** Beside those of an EventSource, which takes none. */
  headers?: HeadersInit;
}

/** An EventSource that says what its error was, where there was one. */
export interface LinkEventSource extends EventSource {
  onerror: ((this: EventSource, event: Event & { readonly error?: unknown }) => unknown) | null;
}

/**
 * An EventSource whose requests go through `linkFetch`. Throws a SyntaxError DOMException for a URL that is none, as
 * EventSource does.
 */
export function createEventSource(
  linkFetch: Fetch,
  url: string | URL,
  init: LinkEventSourceInit = {},
): LinkEventSource {
  const source: EventTarget = new Source(linkFetch, url, init);
  // eslint-disable-next-line @typescript-eslint/no-unsafe-type-assertion -- no type says what an EventTarget dispatches
  return source as LinkEventSource;
}

const MEDIA = "text/event-stream";
const RETRY_MS = 3000;
const LONGEST_MS = 60_000;
const LONGEST_TIMER_MS = 2 ** 31 - 1; // one that is set for longer goes off at once
/** What is as wrong the next time. */
const FINAL: ReadonlySet<LinkErrorCode> = new Set(["bad-request", "not-permitted", "origin"]);

type Handler<E extends Event> = ((event: E) => unknown) | null;

class Source extends EventTarget {
  readonly CONNECTING = 0;
  readonly OPEN = 1;
  readonly CLOSED = 2;
  readonly url: string;
  readonly withCredentials: boolean;
  onopen: Handler<Event> = null;
  onmessage: Handler<MessageEvent> = null;
  onerror: Handler<Event> = null;
  readonly #fetch: Fetch;
  readonly #headers: Headers;
  readonly #closing = new AbortController();
  #readyState: 0 | 1 | 2 = 0;
  #reader = new EventStreamReader();
  #retryMs = RETRY_MS;
  #failures = 0;

  constructor(linkFetch: Fetch, url: string | URL, init: LinkEventSourceInit) {
    super();
    this.url = resolved(url, linkFetch.base);
    this.withCredentials = init.withCredentials ?? false;
    this.#fetch = linkFetch;
    this.#headers = new Headers(init.headers);
    this.#headers.set("accept", MEDIA);
    this.#listen();
    void this.#run();
  }

  /** The handlers are listeners like any other: one that throws does no harm. */
  #listen(): void {
    this.addEventListener("open", (event) => {
      this.onopen?.(event);
    });
    this.addEventListener("message", (event) => {
      if (event instanceof MessageEvent) this.onmessage?.(event);
    });
    this.addEventListener("error", (event) => {
      this.onerror?.(event);
    });
  }

  get readyState(): 0 | 1 | 2 {
    return this.#readyState;
  }

  get #isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  close(): void {
    this.#readyState = this.CLOSED;
    this.#closing.abort();
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    for (;;) {
      const error = await this.#connection().catch((reason: unknown) => reason);
      if (this.#isClosed) return;
      const isFinal = error instanceof Refusal || (error instanceof LinkError && FINAL.has(error.code));
      this.#readyState = isFinal ? this.CLOSED : this.CONNECTING;
      this.dispatchEvent(Object.assign(new Event("error"), { error }));
      if (isFinal) return;
      await pause(this.#pauseMs(), signal);
      this.#failures += 1;
    }
  }

  /** What the stream has asked for, and after failures twice as long each time. */
  #pauseMs(): number {
    const longest = Math.min(Math.max(LONGEST_MS, this.#retryMs), LONGEST_TIMER_MS);
    return Math.min(Math.max(1, this.#retryMs) * 2 ** this.#failures, longest);
  }

  /** Ends when the stream does. */
  async #connection(): Promise<void> {
    const response = await this.#fetch(this.url, {
      headers: this.#requestHeaders(),
      cache: "no-store",
      credentials: this.withCredentials ? "include" : "same-origin",
      signal: this.#closing.signal,
      timeoutMs: 0, // a stream's head comes with its first event, whenever that is
    });
    check(response);
    this.#readyState = this.OPEN;
    this.#failures = 0;
    this.dispatchEvent(new Event("open"));
    this.#reader = new EventStreamReader(this.#reader.lastEventId);
    await this.#read(response);
  }

  async #read(response: Response): Promise<void> {
    const { origin } = new URL(response.url);
    const body = response.body?.getReader();
    for (;;) {
      const piece = await body?.read();
      if (piece?.value === undefined) return;
      for (const { type, ...rest } of this.#reader.receive(piece.value)) {
        if (this.#isClosed) return;
        this.dispatchEvent(new MessageEvent(type, { ...rest, origin }));
      }
      this.#retryMs = this.#reader.retryMs ?? this.#retryMs;
    }
  }

  #requestHeaders(): Headers {
    const headers = new Headers(this.#headers);
    const id = new TextEncoder().encode(this.#reader.lastEventId);
    if (id.length > 0) headers.set("last-event-id", String.fromCharCode(...id));
    return headers;
  }
}

/** The server's word that there is no event stream: not to be asked again. */
class Refusal extends Error {}

function check(response: Response): void {
  const type = response.headers.get("content-type") ?? "";
  const [essence = ""] = type.split(";");
  if (response.status === 200 && essence.trim().toLowerCase() === MEDIA) return;
  response.body?.cancel().catch(() => undefined);
  throw new Refusal(`expected 200 ${MEDIA}, not ${response.status} ${type}`);
}

function resolved(url: string | URL, base?: string): string {
  const { document, location } = globalThis as { document?: Document; location?: Location };
  try {
    return new URL(url, base ?? document?.baseURI ?? location?.href).href;
  } catch {
    throw new DOMException(`expected a URL, not ${String(url)}`, "SyntaxError");
  }
}

/** For so long, or until it is closed. */
async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    const wake = (): void => {
      clearTimeout(timer);
      resolve();
    };
    if (signal.aborted) wake();
    else signal.addEventListener("abort", wake, { once: true });
  });
}

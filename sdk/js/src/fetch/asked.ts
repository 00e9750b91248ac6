/** What the caller has asked for, read and checked as `fetch` does it: by the platform's own Request. */

import { payloadOf, type Payload } from "./payload.js";

export interface UploadProgress {
  /** Bytes of the body that have left. */
  loaded: number;
  /** The body's length, where it is known. */
  total?: number;
}

/** What `fetch` takes, and what it has no name for. */
export interface LinkRequestInit extends RequestInit {
  /** `"half"`, with a stream as the body. */
  duplex?: "half";
  onUploadProgress?: (progress: UploadProgress) => void;
  /** It does no harm to run it twice, so that it may be sealed once more after a transport failure. */
  repeatable?: boolean;
  /** Instead of the link's own; 0: none. */
  timeoutMs?: number;
}

export interface Asked {
  request: Request;
  url: URL;
  init: LinkRequestInit;
  /** To be called at once, while the body is as it was given. */
  payload(signal: AbortSignal): Promise<Payload | null>;
}

/** Throws TypeError for what `fetch` throws one for. A relative URL is one of `base`, or of the page. */
export function ask(input: RequestInfo | URL, init: LinkRequestInit, base?: string): Asked {
  const stream = init.body instanceof ReadableStream ? unread(init.body, init) : undefined;
  // Platforms that can't stream requests would take a stream for text; no bytes at all are checked the same way.
  const known = stream ? { ...init, body: new Uint8Array() } : init;
  const target = input instanceof Request || base === undefined ? input : new URL(input, base);
  const request = new Request(target, known);
  const url = new URL(request.url);
  checkMode(request, url);
  const given = stream ?? init.body;
  return { request, url, init, payload: (signal) => payloadOf(request, given, signal) };
}

function unread(stream: ReadableStream, init: LinkRequestInit): ReadableStream | undefined {
  if (init.duplex !== "half") throw new TypeError('a stream as the body needs `duplex: "half"`');
  if (init.keepalive) throw new TypeError("a stream can't be kept alive");
  return new Response(stream).body ?? undefined; // throws for one that is locked, or was read from
}

function checkMode(request: Request, url: URL): void {
  if (request.cache === "only-if-cached") throw new TypeError("no cache: there is none on the link");
  if (isLocal(url)) return;
  if (!isHttp(url)) throw new TypeError(`expected an http or https URL, not ${url.protocol}`);
}

export function isHttp(url: URL): boolean {
  return url.protocol === "http:" || url.protocol === "https:";
}

/** What is in the page itself, and never on a network. */
export function isLocal(url: URL): boolean {
  return url.protocol === "data:" || url.protocol === "blob:";
}

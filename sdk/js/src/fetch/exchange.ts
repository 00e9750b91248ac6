/** `fetch` over whatever carries inner exchanges. */

import type { Exchanger, InnerAnswer, InnerCall } from "../link/call.js";
import { afterRedirect, isRedirect } from "../link/redirects.js";
import { ask, isLocal, type Asked, type LinkRequestInit, type UploadProgress } from "./asked.js";
import { fieldsOf } from "./fields.js";
import { followed, isCross, type Hop } from "./hop.js";
import { discard } from "./pieces.js";
import { opaqueRedirect, responseOf } from "./response.js";
import { Stop } from "./stop.js";

/** `fetch`, with an init of a few more members. */
export interface Fetch {
  (input: RequestInfo | URL, init?: LinkRequestInit): Promise<Response>;
  /** What relative URLs are relative to, if not the page. */
  readonly base?: string | undefined;
}

export function fetchOver(link: Exchanger, base?: string): Fetch {
  const { fetch } = globalThis; // as it is now: a page may put the link in its place
  const linkFetch = async (input: RequestInfo | URL, init?: LinkRequestInit): Promise<Response> => {
    const asked = ask(input, init ?? {}, base); // which may be null, too
    if (isLocal(asked.url)) return fetch(asked.request);
    const stop = new Stop(signalOf(input, init));
    try {
      return await carried(link, asked, stop);
    } catch (error) {
      stop.release();
      stop.signal.throwIfAborted(); // with the caller's own reason
      stop.now(error);
      throw error instanceof TypeError ? error : new TypeError("Failed to fetch", { cause: error });
    }
  };
  return Object.assign(linkFetch, { base });
}

function signalOf(input: RequestInfo | URL, init?: LinkRequestInit): AbortSignal | null | undefined {
  if (init?.signal !== undefined) return init.signal;
  return input instanceof Request ? input.signal : undefined;
}

async function carried(link: Exchanger, asked: Asked, stop: Stop): Promise<Response> {
  const { request } = asked;
  let hop = await firstHop(asked, stop);
  for (;;) {
    if (hop.isCross && request.mode === "same-origin")
      throw new TypeError(`${hop.url.origin} is another origin`);
    const exchange = link.exchange(innerCall(hop, asked, stop.signal));
    const answer = await stop.before(hop.count === 0 ? exchange : afterRedirect(exchange));
    answer.trailers.catch(() => undefined); // `fetch` has no place for them
    const next = isRedirect(answer.status) ? redirected(hop, answer, request.redirect) : undefined;
    if (next === undefined) return responseOf(answer, hop, request.integrity, stop);
    void discard(answer.body);
    if (next instanceof Response) {
      stop.release();
      return next;
    }
    hop = next;
  }
}

async function firstHop(asked: Asked, stop: Stop): Promise<Hop> {
  const { request, url } = asked;
  const payload = await stop.before(asked.payload(stop.signal));
  const { method, headers } = request;
  return { method, url, headers, payload, isCross: isCross(url), count: 0 };
}

function redirected(hop: Hop, answer: InnerAnswer, mode: RequestRedirect): Hop | Response | undefined {
  if (mode === "error") throw new TypeError("a redirect, where none was to be");
  return mode === "manual" ? opaqueRedirect(hop) : followed(hop, answer.status, answer.headers);
}

function innerCall(hop: Hop, asked: Asked, signal: AbortSignal): InnerCall {
  const { request, init } = asked;
  const { url, payload } = hop;
  const { timeoutMs } = init;
  return {
    method: hop.method,
    scheme: url.protocol === "http:" ? "http" : "https",
    authority: url.host,
    path: url.pathname + url.search,
    headers: fieldsOf(hop, request),
    body: payload?.content ?? null,
    ...(payload?.length === undefined ? {} : { length: payload.length }),
    ...(payload && init.onUploadProgress ? { onProgress: progress(init.onUploadProgress) } : {}),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    repeatable: init.repeatable === true,
    keepalive: request.keepalive,
    credentials: hasCredentials(hop, request) ? "include" : "omit",
    signal,
  };
}

/** Told when it has moved. */
function progress(tell: (progress: UploadProgress) => void): (loaded: number, total?: number) => void {
  let before = -1;
  return (loaded, total) => {
    if (loaded === before) return;
    before = loaded;
    tell({ loaded, ...(total === undefined ? {} : { total }) });
  };
}

function hasCredentials(hop: Hop, request: Request): boolean {
  return request.credentials === "include" || (request.credentials === "same-origin" && !hop.isCross);
}

/** One inner exchange of a call, and where its answer leads (Fetch, 4.4: HTTP-redirect fetch). */

import type { Field } from "../link/call.js";
import { MOST_REDIRECTS, OF_BODY, OF_ORIGIN, becomesGet, locationOf } from "../link/redirects.js";
import { isHttp } from "./asked.js";
import type { Payload } from "./payload.js";

export interface Hop {
  method: string;
  url: URL;
  headers: Headers;
  payload: Payload | null;
  /** Not of the page's own origin, or was not on its way here. */
  isCross: boolean;
  /** Redirects before it. */
  count: number;
}

/** Whether the page is of another origin; nothing is, where there are no pages. */
export function isCross(url: URL): boolean {
  const { location } = globalThis as { location?: Location };
  return location !== undefined && location.origin !== url.origin;
}

/** The next exchange; undefined when the answer is the last one. Throws TypeError where `fetch` fails. */
export function followed(hop: Hop, status: number, headers: readonly Field[]): Hop | undefined {
  const location = locationOf(headers);
  if (location === undefined) return undefined;
  const url = destination(location, hop.url);
  if (hop.count === MOST_REDIRECTS) throw new TypeError(`more than ${MOST_REDIRECTS} redirects`);
  if (hop.payload?.once && status !== 303)
    throw new TypeError("a redirect of a body that can't be read again");
  const next = { ...hop, url, headers: new Headers(hop.headers), count: hop.count + 1 };
  next.isCross = hop.isCross || isCross(url);
  if (becomesGet(status, hop.method)) {
    next.method = "GET";
    next.payload = null;
    for (const name of OF_BODY) next.headers.delete(name);
  }
  if (url.origin !== hop.url.origin) for (const name of OF_ORIGIN) next.headers.delete(name);
  return next;
}

function destination(location: string, from: URL): URL {
  const url = new URL(location, from); // a TypeError if it is none
  if (!isHttp(url)) throw new TypeError(`a redirect to ${url.protocol}`);
  if (url.username || url.password) throw new TypeError("a redirect to a URL with a user name");
  if (!url.hash) url.hash = from.hash;
  return url;
}

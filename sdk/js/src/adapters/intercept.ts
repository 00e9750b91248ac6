/** Which of a page's requests go over the link, in a service worker. */

import type { Fetch } from "../fetch/exchange.js";

/** At least one of the two. */
export interface Matching {
  /** What URLs begin with: `https://shop.example.com/api/`, or `/api/` of the worker's own origin. */
  prefixes?: readonly string[];
  match?: (url: URL, request: Request) => boolean;
}

/** What of a FetchEvent (Service Workers, 4.5) is leaned on. */
export interface FetchEventLike {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}

/** Answers an event over the link if it matches, and leaves it alone if not. `own`: what the link itself asks for. */
export function interceptor(
  linkFetch: Fetch,
  { prefixes = [], match }: Matching,
  own: string,
): (event: FetchEventLike) => void {
  if (prefixes.length === 0 && !match) throw new TypeError("expected prefixes, or match");
  const { location } = globalThis as { location?: Location };
  const beginnings = prefixes.map((prefix) => new URL(prefix, location?.href).href);
  return (event) => {
    const { request } = event;
    const { url, mode } = request;
    // Documents stay the browser's: their addresses, their own redirects, and the scripts that they come with.
    if (mode === "navigate" || url === own || url.startsWith(`${own}/`)) return;
    const isOurs =
      beginnings.some((beginning) => url.startsWith(beginning)) || match?.(new URL(url), request);
    if (isOurs) event.respondWith(linkFetch(request));
  };
}

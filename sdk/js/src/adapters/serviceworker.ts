/** A service worker that puts a page's requests on the link; the page's own code stays as it is. */

export { LinkError, type LinkErrorCode } from "../errors.js";
import { createLinkFetch, type LinkFetch, type LinkFetchOptions } from "../fetch/linkfetch.js";
import { interceptor, type FetchEventLike, type Matching } from "./intercept.js";

export interface LinkServiceWorkerOptions extends LinkFetchOptions, Matching {}

/**
 * To be called while the worker's script first runs:
 *
 *     linkServiceWorker({ gateway: "https://gw.example.com", roots: ["ed25519:AbX0..."], prefixes: ["/api/"] });
 *
 * Navigations are left alone; so are `skipWaiting` and `clients.claim`, which are the app's to decide. What it
 * gives back is for the worker's own requests, and for `forget()`. Throws TypeError for options that make no sense.
 */
export function linkServiceWorker(options: LinkServiceWorkerOptions): LinkFetch {
  const linkFetch = createLinkFetch(options);
  const own = new URL(options.path ?? "/_link", options.gateway).href;
  const answer = interceptor(linkFetch, options, own);
  globalThis.addEventListener("fetch", (event) => {
    if (isFetchEvent(event)) answer(event);
  });
  return linkFetch;
}

function isFetchEvent(event: Event): event is Event & FetchEventLike {
  return "request" in event && "respondWith" in event;
}

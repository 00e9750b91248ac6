import { Link } from "../link/link.js";
import type { LinkOptions } from "../link/options.js";
import { fetchOver, type Fetch } from "./exchange.js";
import { browserPlatform } from "./platform.js";

export interface LinkFetchOptions extends LinkOptions {
  /** What relative URLs are relative to, if not the page. */
  base?: string;
}

/** `fetch`, sealed; and what `fetch` has no place for. */
export interface LinkFetch extends Fetch {
  /** At logout: forgets the directory and the cookie binding, with which all sealed cookies are void. */
  forget(): Promise<void>;
}

/**
 * A function that is `fetch`, but for the way that requests go: sealed, over the link.
 *
 *     const linkFetch = createLinkFetch({ gateway: "https://gw.example.com", roots: ["ed25519:AbX0..."] });
 *     const prices = await (await linkFetch("https://shop.example.com/prices")).json();
 *
 * Throws TypeError for options that make no sense. The function rejects as `fetch` does; what is the link's own
 * trouble is a LinkError, which is a TypeError with a `code`. Make one for each gateway, and keep it.
 */
export function createLinkFetch(options: LinkFetchOptions): LinkFetch {
  const link = new Link(options, browserPlatform());
  return Object.assign(fetchOver(link, options.base), { forget: () => link.forget() });
}

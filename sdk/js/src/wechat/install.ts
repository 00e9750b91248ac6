/** The link in place of `wx.request`, for an app that is not to be touched. */

import type { LinkOptions } from "../link/options.js";
import { createLinkRequest, type LinkRequest } from "./request.js";
import { parseLoosely, parseUrl, type Target } from "./url.js";
import type { Wx } from "./wx.js";

export interface InstallOptions extends LinkOptions {
  /** URLs that begin so go over the link: an origin, or an origin and the beginning of a path. */
  match: string | readonly string[];
}

export interface Installed<W extends Wx = Wx> {
  readonly request: LinkRequest<W>;
  /** Every request as before. What is on its way goes on. */
  uninstall(): void;
  /** See `LinkRequest`. */
  forget(): Promise<void>;
}

/**
 * From here on, `wx.request` takes the link for every URL that `match` covers, and is as it was for all others. Call it before
 * anyone keeps a `wx.request` of their own. Throws TypeError for options that make no sense.
 */
export function installLink<W extends Wx>(wx: W, { match, ...options }: InstallOptions): Installed<W> {
  const prefixes = (typeof match === "string" ? [match] : match).map(toPrefix);
  const linked = createLinkRequest(wx, options);
  const before = Object.getOwnPropertyDescriptor(wx, "request");
  const plain: Wx["request"] = wx.request.bind(wx);
  let isOn = true;
  const request: Wx["request"] = (asked) =>
    isOn && prefixes.some((prefix) => covers(prefix, asked.url)) ? linked(asked) : plain(asked);
  // The platform's own is not writable, but configurable.
  Object.defineProperty(wx, "request", {
    configurable: true,
    enumerable: true,
    writable: true,
    value: request,
  });
  const uninstall = (): void => {
    isOn = false; // for whoever has kept it, or wrapped it
    if (wx.request === request) Object.defineProperty(wx, "request", before ?? { value: plain });
  };
  return { request: linked, uninstall, forget: () => linked.forget() };
}

function toPrefix(text: string): Target {
  const prefix = /^https?:\/\/[^/?#@]+(?:\/[^?#]*)?$/i.test(text) ? parseUrl(text) : undefined;
  if (prefix) return prefix;
  throw new TypeError(`expected an origin, with or without a path, in match, not "${text}"`);
}

/** What the platform might send there: what leads there by another spelling fails, rather than to go in the clear. */
function covers({ scheme, authority, path }: Target, url: string): boolean {
  const there = parseLoosely(url);
  if (there?.scheme !== scheme || there.authority !== authority) return false;
  const [asked = ""] = there.path.split("?");
  return path.endsWith("/") ? asked.startsWith(path) : `${asked}/`.startsWith(`${path}/`);
}

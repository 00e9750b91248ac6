/** Absolute http and https URLs, without URL. */

import { encodeText } from "./text.js";

const DOT = /^(?:\.|%2e)$/i;
const DOTS = /^(?:\.|%2e){2}$/i;

export interface Target {
  scheme: "http" | "https";
  /** Lower case, without the scheme's own port. */
  authority: string;
  /** Origin form: path and query, escaped. */
  path: string;
}

/** Undefined: it is none, or has a user in it. The fragment is left out. */
export function parseUrl(url: string): Target | undefined {
  const [, scheme = "", server = "", rest = ""] = /^(https?):\/\/([^/?]+)(.*)/is.exec(cleaned(url)) ?? [];
  const [, host, port = ""] = /^([a-z0-9._~-]+|\[[0-9a-f:.]+\])(?::([0-9]*))?$/i.exec(server) ?? [];
  if (host === undefined) return undefined;
  const known = scheme.toLowerCase() === "https" ? "https" : "http";
  const isDefault = port === "" || Number(port) === (known === "https" ? 443 : 80);
  const authority = host.toLowerCase() + (isDefault ? "" : `:${Number(port)}`);
  return { scheme: known, authority, path: originForm(rest) };
}

/** As `parseUrl`, of what others would read one into (WHATWG URL, 4.4): with a user in it, with more slashes or none. */
export function parseLoosely(url: unknown): Target | undefined {
  if (typeof url !== "string") return undefined;
  const [, scheme, rest = ""] = /^(https?):\/*(?:[^/?]*@)?(.*)/is.exec(cleaned(url)) ?? [];
  return scheme === undefined ? undefined : parseUrl(`${scheme}://${rest}`);
}

export function addQuery(target: Target, query: string): Target {
  if (query === "") return target;
  const joint = !target.path.includes("?") ? "?" : /[?&]$/.test(target.path) ? "" : "&";
  return { ...target, path: target.path + joint + escaped(query) };
}

/** Of a `location` field, seen from `base` (RFC 3986, 5.2). */
export function resolve(base: Target, location: string): Target | undefined {
  const reference = cleaned(location);
  if (/^[a-z][a-z0-9+.-]*:/i.test(reference)) return parseUrl(reference);
  if (reference.startsWith("//")) return parseUrl(`${base.scheme}:${reference}`);
  if (reference === "") return base;
  const [path = ""] = base.path.split("?");
  if (reference.startsWith("?")) return { ...base, path: path + escaped(reference) };
  const whole = reference.startsWith("/") ? reference : path.replace(/[^/]*$/, "") + reference;
  return { ...base, path: originForm(whole) };
}

/** Without a fragment and what URL does not see, and with slashes for backslashes in all but the query. */
function cleaned(url: string): string {
  const [text = ""] = url
    .trim()
    .replace(/[\t\n\r]/g, "")
    .split("#");
  return text.replace(/^[^?]*/, (path) => path.replace(/\\/g, "/"));
}

function originForm(rest: string): string {
  return escaped(rest.replace(/^[^?]*/, withoutDots));
}

/** RFC 3986, 5.2.4; escaped dots are dots, too. */
function withoutDots(path: string): string {
  const kept: string[] = [];
  const all = path.replace(/^\//, "").split("/");
  for (const segment of all) {
    if (DOTS.test(segment)) kept.pop();
    else if (!DOT.test(segment)) kept.push(segment);
  }
  const last = all.at(-1) ?? "";
  const isFolder = (DOT.test(last) || DOTS.test(last)) && kept.length > 0;
  return `/${kept.join("/")}${isFolder ? "/" : ""}`;
}

/** What no path and no query has as it is (WHATWG URL), in UTF-8. */
function escaped(text: string): string {
  return text.replace(/[^\x21-\x7e]+|["<>]/g, (part) =>
    Array.from(encodeText(part), (byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`).join(""),
  );
}

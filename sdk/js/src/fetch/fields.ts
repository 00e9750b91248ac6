/** The header fields of an inner request: the caller's, and those that a browser adds. */

import type { Field } from "../link/call.js";
import { codings } from "./decode.js";
import type { Hop } from "./hop.js";
import { refererOf } from "./referrer.js";

// Browsers let nobody set these. `host` is in the authority, and the others are made here.
const OURS = ["host", "content-length", "accept-encoding"];

export function fieldsOf(hop: Hop, request: Request): Field[] {
  const headers = new Headers(hop.headers);
  const ensure = (name: string, value: string | undefined): void => {
    if (value !== undefined && !headers.has(name)) headers.set(name, value);
  };
  for (const name of OURS) headers.delete(name);
  ensure("accept", "*/*");
  ensure("accept-language", languages());
  ensure("referer", refererOf(request, hop.url));
  if (request.cache === "no-cache") ensure("cache-control", "max-age=0");
  if (request.cache === "no-store" || request.cache === "reload") {
    ensure("pragma", "no-cache");
    ensure("cache-control", "no-cache");
  }
  ensure("content-length", declaredLength(hop)?.toString());
  // Parts of what is encoded can't be decoded (Fetch, 4.6).
  headers.set("accept-encoding", headers.has("range") ? "identity" : codings());
  return [...headers];
}

/** As `fetch` declares it: for every body of known length, and for none where one is usual. */
function declaredLength(hop: Hop): number | undefined {
  if (hop.payload) return hop.payload.length;
  return hop.method === "POST" || hop.method === "PUT" ? 0 : undefined;
}

/** The user's languages, in order of preference. */
function languages(): string | undefined {
  const { navigator } = globalThis as { navigator?: { languages?: readonly string[] } };
  const named = navigator?.languages?.slice(0, 9) ?? [];
  const weighed = named.map((name, at) => (at === 0 ? name : `${name};q=0.${10 - at}`));
  return weighed.join(",") || undefined;
}

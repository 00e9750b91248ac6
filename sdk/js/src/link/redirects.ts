/** Inner redirects (Fetch, 4.4: HTTP-redirect fetch), as all that follow them do. */

import { LinkError } from "../errors.js";
import type { Field, InnerAnswer } from "./call.js";

export const MOST_REDIRECTS = 20;

/** Fields that go when the body does. */
export const OF_BODY: ReadonlySet<string> = new Set([
  "content-encoding",
  "content-language",
  "content-length",
  "content-location",
  "content-type",
]);

/** Fields that stay with the origin that they were for. */
export const OF_ORIGIN: ReadonlySet<string> = new Set(["authorization", "cookie"]);

export function isRedirect(status: number): boolean {
  return [301, 302, 303, 307, 308].includes(status);
}

export function becomesGet(status: number, method: string): boolean {
  if (status === 303) return method !== "GET" && method !== "HEAD";
  return method === "POST" && (status === 301 || status === 302);
}

/** Where it leads. Bytes that no URL has, of UTF-8 say, are escaped one by one, as browsers do it. */
export function locationOf(headers: readonly Field[]): string | undefined {
  const location = headers.find(([name]) => name === "location")?.[1];
  return location?.replace(/[\x80-\xff]/g, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** The exchange that a redirect has led to. Whatever becomes of it, what the caller has asked has run. */
export async function afterRedirect(exchange: Promise<InnerAnswer>): Promise<InnerAnswer> {
  try {
    return await exchange;
  } catch (error) {
    if (!(error instanceof LinkError)) throw error;
    const { code, reason, fault, requestId, cause } = error;
    throw new LinkError(code, reason, { fault, requestId, cause, outcomeUnknown: true });
  }
}

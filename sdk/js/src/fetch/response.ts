/** An inner answer as a Response: the platform's own, with what only `fetch` itself can set. */

import { LinkError } from "../errors.js";
import type { InnerAnswer } from "../link/call.js";
import { decoded } from "./decode.js";
import type { Hop } from "./hop.js";
import { checkIntegrity } from "./integrity.js";
import { discard, gathered, streamOf } from "./pieces.js";
import type { Stop } from "./stop.js";

const NULL_BODY: ReadonlySet<number> = new Set([204, 205, 304]);

/** Resolves with the head; of a body with `integrity`, when all of it is there and right. */
export async function responseOf(
  answer: InnerAnswer,
  hop: Hop,
  integrity: string,
  stop: Stop,
): Promise<Response> {
  const { status, headers } = answer;
  if (status < 200 || status > 599) {
    throw new LinkError("bad-response", `inner status ${status}`, { outcomeUnknown: true });
  }
  const body = await bodyOf(answer, hop.method, integrity, stop);
  return dressed(new Response(body, { status, headers }), {
    url: withoutFragment(hop.url),
    redirected: hop.count > 0,
    type: hop.isCross ? "cors" : "basic",
  });
}

async function bodyOf(
  answer: InnerAnswer,
  method: string,
  integrity: string,
  stop: Stop,
): Promise<BodyInit | null> {
  if (method === "HEAD" || NULL_BODY.has(answer.status)) {
    void discard(answer.body).then(() => {
      stop.release();
    });
    if (integrity) throw new TypeError("the answer has no body whose integrity could be told");
    return null;
  }
  const encoding = answer.headers.filter(([name]) => name === "content-encoding").map(([, value]) => value);
  const pieces = decoded(answer.body, encoding.join());
  if (!integrity) return streamOf(pieces, stop);
  const bytes = await stop.before(gathered(pieces));
  await checkIntegrity(integrity, bytes);
  stop.release();
  return bytes;
}

/** For `redirect: "manual"`: that there was one, and nothing of it (Fetch, 2.2.6). */
export function opaqueRedirect(hop: Hop): Response {
  return dressed(Response.error(), {
    url: withoutFragment(hop.url),
    redirected: hop.count > 0,
    type: "opaqueredirect",
  });
}

type Looks = Pick<Response, "url" | "redirected" | "type">;

function dressed(response: Response, looks: Looks): Response {
  const clone = (): Response => dressed(Response.prototype.clone.call(response), looks);
  const values = Object.entries({ ...looks, clone }).map(([name, value]) => [name, { value }] as const);
  return Object.defineProperties(response, Object.fromEntries(values));
}

function withoutFragment(url: URL): string {
  return url.href.slice(0, url.href.length - url.hash.length).replace(/#$/, "");
}

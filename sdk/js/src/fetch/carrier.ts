/** The browser's carrier: `fetch`, and XMLHttpRequest where that tells no upload progress. */

import type { Bytes } from "../bytes.js";
import type { Carrier, OuterAnswer, OuterRequest } from "../link/carrier.js";
import { byFetch } from "./byfetch.js";
import { byXhr, canUseXhr } from "./byxhr.js";
import { canStreamRequests } from "./capabilities.js";
import { owned, type Pieces } from "./pieces.js";
import { Upload } from "./upload.js";

type NativeFetch = typeof globalThis.fetch;

/**
 * Bodies may be streams always: where the platform can't send one as it comes, it is gathered first.
 *
 * Browsers stream over HTTP/2 and 3 only, and find out when they have connected. They have asked for none of
 * the body by then: so whoever gathers it and sends it whole, sends it once. What fails after that may have
 * arrived, and stays failed. What a gateway can't take is known for as long as the page lives.
 *
 * `fetch` is what it is now: a page may put the link in its place.
 */
export function browserCarrier(fetch: NativeFetch = globalThis.fetch): Carrier {
  const unable = new Set<string>();
  return {
    streamsRequests: true,
    send: async (outer) => {
      const { body } = outer;
      if (body === undefined) return byFetch(fetch, outer, {});
      if (body instanceof Uint8Array) return sentWhole(fetch, outer, owned(body));
      const { origin } = new URL(outer.url);
      if (canStreamRequests() && !unable.has(origin)) {
        const answer = await sentAsStream(fetch, outer, body);
        if (answer !== undefined) return answer;
      }
      const answer = await sentWhole(fetch, outer, await gathered(body, outer));
      unable.add(origin);
      return answer;
    },
  };
}

/** Undefined: it failed before any of the body was asked for. */
async function sentAsStream(
  fetch: NativeFetch,
  outer: OuterRequest,
  body: Pieces,
): Promise<OuterAnswer | undefined> {
  const upload = new Upload(body, outer.onProgress?.bind(outer));
  try {
    return await byFetch(fetch, outer, { body: upload.stream, duplex: "half" });
  } catch (error) {
    if (outer.signal?.aborted || !upload.giveUp()) throw upload.failure ?? error;
    return undefined;
  }
}

async function sentWhole(fetch: NativeFetch, outer: OuterRequest, body: Bytes | Blob): Promise<OuterAnswer> {
  if (outer.onProgress && canUseXhr()) return byXhr(outer, body);
  const answer = await byFetch(fetch, outer, { body });
  const size = body instanceof Blob ? body.size : body.length;
  outer.onProgress?.(size, size);
  return answer;
}

/** In the browser's keeping, which may be a disk. */
async function gathered(pieces: Pieces, outer: OuterRequest): Promise<Blob> {
  const parts: Blob[] = [];
  for await (const piece of pieces) {
    if (outer.signal?.aborted) break; // which is found out when it is sent
    parts.push(new Blob([owned(piece)]));
  }
  return new Blob(parts);
}

/** One outer exchange by `fetch` (protocol, section 10): no redirect followed, no referer sent. */

import type { Bytes } from "../bytes.js";
import type { AbortSignalLike, OuterAnswer, OuterRequest } from "../link/carrier.js";
import { piecesOf, type Pieces } from "./pieces.js";

/** Its body, and what goes with one. */
export interface OuterBody {
  body?: Bytes | Blob | ReadableStream;
  duplex?: "half";
}

export async function byFetch(
  fetch: typeof globalThis.fetch,
  outer: OuterRequest,
  body: OuterBody,
): Promise<OuterAnswer> {
  const init: RequestInit = {
    method: outer.method,
    headers: outer.headers,
    credentials: outer.credentials,
    cache: outer.fresh ? "reload" : "default",
    keepalive: outer.keepalive ?? false,
    redirect: "error",
    referrerPolicy: "no-referrer",
    signal: nativeSignal(outer.signal),
    ...body,
  };
  return answerOf(await fetch(outer.url, init));
}

function answerOf({ status, headers, body }: Response): OuterAnswer {
  const unread = new AbortController();
  return {
    status,
    header: (name) => headers.get(name) ?? undefined,
    body: body ? piecesOf(body, unread.signal) : nothing(),
    cancel: () => {
      unread.abort();
    },
  };
}

async function* nothing(): Pieces {
  // no body
}

/** The link's own signals are not the platform's, which is what `fetch` wants. */
function nativeSignal(signal?: AbortSignalLike): AbortSignal | null {
  if (signal === undefined || signal instanceof AbortSignal) return signal ?? null;
  const controller = new AbortController();
  const follow = (): void => {
    controller.abort(signal.reason);
  };
  if (signal.aborted) follow();
  else signal.addEventListener("abort", follow);
  return controller.signal;
}

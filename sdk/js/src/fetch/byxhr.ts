/**
 * One outer exchange by XMLHttpRequest, which tells how much of a body has left. It gives the answer when all of
 * it is there.
 *
 * Alone among the ways to send something it has no say in the referer. So it is the XMLHttpRequest of an empty
 * frame: of `about:blank` there is nothing to tell (Referrer Policy, 8.4).
 */

import type { Bytes } from "../bytes.js";
import type { OuterAnswer, OuterRequest } from "../link/carrier.js";
import type { Pieces } from "./pieces.js";

/** Not in workers. */
export function canUseXhr(): boolean {
  return "document" in globalThis && "XMLHttpRequest" in globalThis;
}

export async function byXhr(outer: OuterRequest, body: Bytes | Blob): Promise<OuterAnswer> {
  const frame = document.createElement("iframe");
  try {
    await empty(frame);
    const view = frame.contentDocument?.defaultView;
    if (!view) throw new TypeError("no frame to send from");
    return await sent(new view.XMLHttpRequest(), outer, body);
  } finally {
    frame.remove();
  }
}

/** Some browsers load even nothing later, and give the frame another window then. */
async function empty(frame: HTMLIFrameElement): Promise<void> {
  frame.hidden = true;
  await new Promise((resolve) => {
    frame.addEventListener("load", resolve, { once: true });
    document.documentElement.append(frame);
  });
  const meta = document.createElement("meta");
  meta.name = "referrer";
  meta.content = "no-referrer";
  frame.contentDocument?.head.append(meta);
}

async function sent(xhr: XMLHttpRequest, outer: OuterRequest, body: Bytes | Blob): Promise<OuterAnswer> {
  const abort = (): void => {
    xhr.abort();
  };
  xhr.open(outer.method, outer.url);
  for (const [name, value] of Object.entries(outer.headers)) xhr.setRequestHeader(name, value);
  xhr.withCredentials = outer.credentials === "include";
  xhr.responseType = "arraybuffer";
  xhr.upload.onprogress = ({ loaded, total }) => outer.onProgress?.(loaded, total);
  outer.signal?.addEventListener("abort", abort);
  try {
    await new Promise((resolve) => {
      xhr.onloadend = resolve;
      if (outer.signal?.aborted) resolve(undefined);
      else xhr.send(body);
    });
  } finally {
    outer.signal?.removeEventListener("abort", abort);
  }
  if (outer.signal?.aborted) throw new DOMException("The operation was aborted.", "AbortError");
  return answerOf(xhr, outer.url);
}

/** It follows redirects, and a script can't tell it not to: an answer from elsewhere is none. */
function answerOf(xhr: XMLHttpRequest, url: string): OuterAnswer {
  if (xhr.status === 0) throw new TypeError("Failed to fetch");
  if (xhr.responseURL !== new URL(url).href) throw new TypeError("redirected");
  const headers = new Headers(fields(xhr.getAllResponseHeaders()));
  // eslint-disable-next-line @typescript-eslint/no-unsafe-assignment -- it is what `responseType` says
  const received: ArrayBuffer = xhr.response;
  return {
    status: xhr.status,
    header: (name) => headers.get(name) ?? undefined,
    body: once(new Uint8Array(received)),
    cancel: () => undefined,
  };
}

function fields(lines: string): [string, string][] {
  const split = lines.split("\r\n").map((line) => /^([^:]+): ?(.*)$/.exec(line));
  return split.flatMap((field) => (field ? [[field[1] ?? "", field[2] ?? ""]] : []));
}

async function* once(data: Bytes): Pieces {
  yield await Promise.resolve(data);
}

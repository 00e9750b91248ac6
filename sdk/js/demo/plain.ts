/** The same requests without the link, for comparison. */

export interface Ask {
  method: string;
  path: string;
  headers?: Record<string, string>;
  body?: string | Blob;
  signal?: AbortSignal;
  onProgress?: (share: number) => void;
}

export function initOf(ask: Ask): RequestInit {
  const { method, headers, body, signal } = ask;
  return {
    method,
    credentials: "include",
    ...(headers && { headers }),
    ...(body !== undefined && { body }),
    ...(signal && { signal }),
  };
}

/** `fetch`; or XMLHttpRequest, for the one thing that `fetch` has not: progress of an upload. */
export function sendPlain(url: string, ask: Ask): Promise<Response> {
  return ask.onProgress ? upload(url, ask, ask.onProgress) : fetch(url, initOf(ask));
}

function upload(url: string, ask: Ask, onProgress: (share: number) => void): Promise<Response> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(ask.method, url);
    request.withCredentials = true;
    for (const [name, value] of Object.entries(ask.headers ?? {})) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", ({ loaded, total }) => {
      onProgress(loaded / total);
    });
    request.addEventListener("load", () => {
      resolve(answerOf(request));
    });
    request.addEventListener("error", () => {
      reject(new TypeError("network error"));
    });
    request.addEventListener("abort", () => {
      reject(new DOMException("aborted", "AbortError"));
    });
    ask.signal?.addEventListener("abort", () => {
      request.abort();
    });
    request.send(ask.body ?? null);
  });
}

function answerOf(request: XMLHttpRequest): Response {
  const lines = request.getAllResponseHeaders().trim().split("\r\n");
  const headers = lines.map((line): [string, string] => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon), line.slice(colon + 1).trim()];
  });
  const { status, statusText } = request;
  return new Response(request.responseText || null, { status, statusText, headers });
}

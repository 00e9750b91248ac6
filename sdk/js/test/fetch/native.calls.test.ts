/**
 * Over the link a call of `fetch` is checked, canceled, cloned and read as one of the platform's own. Left out is where
 * Node departs from the standard: bodies that are canceled unread lose their reason, clones of such theirs.
 */

import { alike, answering, at, here, look, named, same, type Fetch } from "./native.js";
import type { LinkRequestInit } from "../../src/fetch/asked.js";

const tea = answering({});

/** What TypeScript does not let through. */
function loose(init: object | null): LinkRequestInit {
  return init as LinkRequestInit;
}

for (const url of [
  "http://[",
  "/a",
  "",
  "ftp://x/",
  "about:blank",
  "javascript:1",
  "http://u:p@127.0.0.1/",
]) {
  alike(`a URL: ${url}`, () => url);
}
for (const url of ["data:text/plain,hi", "data:;base64,aGk=", "data:x"]) alike(`a URL: ${url}`, () => url);
alike("a URL with white space around it", () => `  ${at()}\n`);
alike("a URL that has to be escaped", () => `${here.origin}/a/./b/../ü€?q=ü'"<>|\`{}^#f`);
alike("a URL object", () => new URL(at()));

for (const [name, init] of Object.entries<object | null>({
  none: null,
  "a body with GET": { body: "tea" },
  "an empty body with HEAD": { method: "HEAD", body: "" },
  "no body with GET": { body: null },
  CONNECT: { method: "CONNECT" },
  trace: { method: "trace" },
  "no method": { method: "" },
  "two words of method": { method: "A B" },
  "another redirect": { redirect: "x" },
  navigate: { mode: "navigate" },
  "PUT, without CORS": { mode: "no-cors", method: "PUT" },
  "fields, without CORS": { mode: "no-cors", headers: { "x-a": "b" } },
  "other credentials": { credentials: "x" },
  "no credentials": { credentials: "omit" },
  "another cache": { cache: "x" },
  "only-if-cached": { cache: "only-if-cached" },
  "a bad referrer": { referrer: "http://[" },
  "no signal": { signal: {} },
  "a null signal": { signal: null },
  "a window": { window: 1 },
  "fields of text": { headers: "x" },
  "fields without values": { headers: [["a"]] },
  "a field that is no byte string": { headers: { a: "€" } },
  "a field of two lines": { headers: { a: "b\nc" } },
  "a name of two words": { headers: { "a b": "c" } },
  "duplex: full": { method: "POST", body: "tea", duplex: "full" },
  keepalive: { method: "POST", body: "tea", keepalive: true },
})) {
  alike(`an init: ${name}`, tea, () => loose(init));
}

const stream = () => new Blob(["tea"]).stream();
const failing = () =>
  new ReadableStream({
    start: (controller) => {
      controller.error(new RangeError("mine"));
    },
  });
function read(): ReadableStream {
  const body = stream();
  const reader = body.getReader();
  void reader.read().then(() => {
    reader.releaseLock();
  });
  return body;
}
for (const [name, init] of Object.entries<() => object>({
  "without duplex": () => ({ body: stream() }),
  "that is kept alive": () => ({ body: stream(), duplex: "half", keepalive: true }),
  "that is locked": () => ({ body: read(), duplex: "half" }),
  "that fails": () => ({ body: failing(), duplex: "half" }),
})) {
  same(`a stream ${name}`, async (fetch) => look(await fetch(at(), { method: "POST", ...loose(init()) })));
}
same("a stream is locked at once", async (fetch) => {
  const body = stream();
  const asked = fetch(at(), { method: "POST", body, duplex: "half" });
  return [body.locked, await look(await asked)];
});

const order = () => new Request(at(), { method: "PUT", headers: { a: "1", b: "2" }, body: "tea" });
for (const [name, init] of Object.entries<LinkRequestInit>({
  nothing: {},
  "a body": { body: "milk" },
  "no body": { body: null },
  "fields and a body": { headers: { a: "3" }, body: new URLSearchParams("a=b") },
  "a method": { method: "POST" },
  "a method without a body": { method: "GET" },
  "a redirect": { redirect: "error" },
})) {
  alike(`a Request with ${name}`, order, () => init);
}
same("a Request that was read, with a new body and without", async (fetch) => {
  const request = order();
  await request.text();
  return [await fetch(request, { body: "milk" }).then(look, named), await fetch(request).then(look, named)];
});
same("a Request and its clone", async (fetch) => {
  const request = order();
  const clone = request.clone();
  return [await look(await fetch(request)), await look(await fetch(clone))];
});

const USES: Record<string, (response: Response) => Promise<unknown>> = {
  "read twice": async (response) => [await response.text(), await response.text().catch(named)],
  "cloned when read": async (response) => [await response.text(), response.clone()],
  "cloned when locked": async (response) => [
    response.body?.getReader() !== undefined,
    await response.clone().text(),
  ],
  "read when locked": async (response) => [response.body?.getReader() !== undefined, await response.text()],
  "read when canceled": async (response) => [await response.body?.cancel(), await response.text()],
  "cloned, and the clone cloned": async (response) => {
    const clone = response.clone();
    const another = clone.clone();
    return [await response.text(), await look(clone), await look(another)];
  },
  "put into another": async (response) => look(new Response(response.body, response)),
  "looked at": (response) =>
    Promise.resolve([
      response instanceof Response,
      Object.keys(response),
      Object.prototype.toString.call(response),
    ]),
};
for (const [name, use] of Object.entries(USES)) {
  same(`a response, ${name}`, async (fetch) => use(await fetch(tea())));
  same(`a response without a body, ${name}`, async (fetch) => use(await fetch(here.query({ status: 204 }))));
}

const REASONS = [undefined, null, 0, "changed my mind", new RangeError("changed my mind")];
for (const reason of REASONS) {
  const told = (error: unknown): unknown => [named(error), error === reason];
  const abort = async (ask: (signal: AbortSignal) => Promise<unknown>): Promise<unknown> => {
    const controller = new AbortController();
    const asked = ask(controller.signal);
    setTimeout(() => {
      controller.abort(reason);
    }, 10);
    return asked.catch(told);
  };
  const asking = (fetch: Fetch, path: string) => (signal: AbortSignal) =>
    fetch(here.origin + path, { signal });
  same(`aborted before, for ${String(reason)}`, async (fetch) =>
    fetch(at(), { signal: AbortSignal.abort(reason) }).catch(told),
  );
  same(`aborted while it waits, for ${String(reason)}`, async (fetch) => abort(asking(fetch, "/never")));
  same(`aborted by a Request's signal, for ${String(reason)}`, async (fetch) =>
    abort((signal) => fetch(new Request(`${here.origin}/never`, { signal }))),
  );
}
same("timed out", async (fetch) =>
  fetch(`${here.origin}/never`, { signal: AbortSignal.timeout(5) }).then(look, named),
);
same("aborted when it is read, which is too late", async (fetch) => {
  const controller = new AbortController();
  const text = await (await fetch(tea(), { signal: controller.signal })).text();
  controller.abort();
  return text;
});
same("aborted, and wrong", async (fetch) => fetch("http://[", { signal: AbortSignal.abort() }).catch(named));
same("nobody listens", async (fetch) => fetch("http://127.0.0.1:9/").catch(named));

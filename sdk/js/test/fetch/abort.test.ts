/** An abort ends a call at whatever point, with the reason that its signal has. */

import assert from "node:assert/strict";
import { getEventListeners, once } from "node:events";
import { test } from "node:test";
import { fetchOver } from "../../src/fetch/exchange.js";
import type { InnerCall } from "../../src/link/call.js";
import { scene } from "./double.js";

const SHOP = "https://shop.example.com/";

function never<T>(): Promise<T> {
  return new Promise(() => undefined);
}

function isAbortError(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

test("before: nothing is sent, and a stream is canceled unread", async () => {
  const { fetch, heard } = scene();
  const canceled: unknown[] = [];
  const body = new ReadableStream({ cancel: (reason) => void canceled.push(reason) }, { highWaterMark: 0 });
  const reason = new Error("changed my mind");
  await assert.rejects(fetch(SHOP, { signal: AbortSignal.abort() }), isAbortError);
  const signal = AbortSignal.abort(reason);
  await assert.rejects(fetch(SHOP, { signal, method: "PUT", body, duplex: "half" }), reason);
  assert.equal(heard.length, 0);
  assert.deepEqual(canceled, [reason]);
});

test("while it waits: the link hears of it, and the reason is the caller's, whatever that is", async () => {
  for (const reason of [new Error("changed my mind"), "a text", 7]) {
    const heard: InnerCall[] = [];
    const exchange = (call: InnerCall) => {
      heard.push(call);
      return never<never>();
    };
    const fetch = fetchOver({ exchange, forget: () => Promise.resolve() });
    const controller = new AbortController();
    const response = fetch(SHOP, { signal: controller.signal });
    await Promise.resolve();
    controller.abort(reason);
    await assert.rejects(response, (thrown) => thrown === reason);
    for (const { signal } of heard) assert.deepEqual([signal?.aborted, signal?.reason], [true, reason]);
  }
});

test("by the signal of a Request, and not when the init says null", async () => {
  const { fetch } = scene();
  const request = () => new Request(SHOP, { signal: AbortSignal.abort() });
  await assert.rejects(fetch(request()), isAbortError);
  assert.equal((await fetch(request(), { signal: null })).status, 200);
});

test("by a time-out", async () => {
  const fetch = fetchOver({ exchange: () => never(), forget: () => Promise.resolve() });
  await assert.rejects(fetch(SHOP, { signal: AbortSignal.timeout(1) }), { name: "TimeoutError" });
});

test("while the body is sent: the stream that it comes from is canceled", async () => {
  const events = new EventTarget();
  const reasons: unknown[] = [];
  const begun = once(events, "pull");
  const canceled = once(events, "cancel");
  const body = new ReadableStream(
    {
      pull: () => {
        events.dispatchEvent(new Event("pull"));
        return never<undefined>();
      },
      cancel: (reason: unknown) => {
        reasons.push(reason);
        events.dispatchEvent(new Event("cancel"));
      },
    },
    { highWaterMark: 0 },
  );
  const { fetch } = scene();
  const controller = new AbortController();
  const response = fetch(SHOP, { method: "PUT", body, duplex: "half", signal: controller.signal });
  await begun;
  controller.abort();
  await assert.rejects(response, isAbortError);
  await canceled;
  assert.deepEqual(reasons.map(isAbortError), [true]);
});

test("while the answer is read: the body ends in the reason, in the midst of a read too", async () => {
  const controller = new AbortController();
  const { fetch, heard } = scene(() => ({
    body: (async function* () {
      yield "te";
      yield await never<string>();
    })(),
  }));
  const response = await fetch(SHOP, { signal: controller.signal });
  const reader = response.body?.getReader();
  await reader?.read();
  const next = reader?.read();
  controller.abort();
  await assert.rejects(async () => next, isAbortError);
  assert.equal(heard[0]?.signal?.aborted, true);
});

test("an answer that is there, and unread, can be aborted", async () => {
  const { fetch } = scene(() => ({ body: "tea" }));
  const controller = new AbortController();
  const response = await fetch(SHOP, { signal: controller.signal });
  controller.abort();
  await assert.rejects(response.text(), isAbortError);
});

test("whoever cancels the body ends the exchange, in the midst of a read too", async () => {
  const { fetch, heard } = scene(() => ({
    body: { [Symbol.asyncIterator]: () => ({ next: () => never() }) },
  }));
  const reader = (await fetch(SHOP)).body?.getReader();
  const next = reader?.read();
  await reader?.cancel();
  assert.equal((await next)?.done, true);
  assert.equal(heard[0]?.signal?.aborted, true);
});

test("a signal that outlives its calls does not gather their listeners", async () => {
  const status = (path: string) => ({ "/none": 204, "/moved": 302 })[path] ?? 200;
  const { fetch } = scene(({ path }) => ({ status: status(path), body: status(path) === 200 ? "tea" : "" }));
  const { signal } = new AbortController();
  await (await fetch(SHOP, { signal })).text();
  await (await fetch(`${SHOP}none`, { signal })).text();
  await (await fetch(SHOP, { signal })).body?.cancel();
  await fetch(`${SHOP}moved`, { signal, redirect: "manual" });
  await assert.rejects(fetch(`${SHOP}moved`, { signal, redirect: "error" }), TypeError);
  await assert.rejects(fetch(SHOP, { signal, integrity: "sha256-AAAA" }), TypeError);
  await new Promise(setImmediate); // a body that is not there is read to its end beside the answer
  assert.equal(ours(signal), 0);
  await fetch(SHOP, { signal });
  assert.equal(ours(signal), 1); // it can be aborted yet
});

/** Listeners of the signal, but for those of the platform's own Request, which go with it. */
function ours(signal: AbortSignal): number {
  return getEventListeners(signal, "abort").filter((listener) => listener.name.endsWith("follow")).length;
}

test("trouble below is a TypeError, as with fetch", async () => {
  const trouble = new Error("no route to host");
  const { fetch } = scene(() => Promise.reject(trouble));
  await assert.rejects(fetch(SHOP), (error) => error instanceof TypeError && error.cause === trouble);
});

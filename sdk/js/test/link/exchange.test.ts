/**
 * Requests over a link to a double of the gateway.
 *
 * Invariant: what the caller gives is what the upstream gets, and the other way round; nothing of it is outside, and
 * nothing goes on that the caller has aborted.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { fromLatin1 } from "../../src/bytes.js";
import type { InnerCall } from "../../src/link/call.js";
import { call, failure, opening, rejection, text, until } from "./calls.js";
import { LINK, answer } from "./gateway.js";

test("a request and its answer", async () => {
  const { link, gateway, clock } = await opening({
    client: { app: "shop/2", installId: "i-1", tags: { a: "b" } },
  });
  gateway.upstream = ({ body }) => ({
    status: 201,
    headers: [["x-made", "caf\xe9"]],
    trailers: [["x-t", "1"]],
    body,
  });
  const answer = await link.exchange(call("POST", { headers: [["x-a", "\xe9"]] }));
  assert.deepEqual(
    [answer.status, answer.headers, await text(answer)],
    [201, [["x-made", "caf\xe9"]], "tea"],
  );
  assert.deepEqual(await answer.trailers, [["x-t", "1"]]);
  const [inner] = gateway.ran;
  assert.ok(inner);
  assert.deepEqual(
    [inner.method, inner.scheme, inner.authority, inner.path],
    ["POST", "https", "shop.example.com", "/orders?n=1"],
  );
  assert.deepEqual(
    inner.headers.map(({ name, value }) => [name, fromLatin1(value)]),
    [["x-a", "\xe9"]],
  );
  assert.deepEqual([inner.sentAtMs, inner.acceptStream, inner.exchangeId.length], [clock.ms, true, 16]);
  const { sdk, platform, app, installId, tags } = inner.client ?? {};
  assert.deepEqual(
    [sdk, platform, app, installId, tags],
    ["js/1.0.0", "browser", "shop/2", "i-1", { a: "b" }],
  );
});

test("nothing of it is outside", async () => {
  const { link, gateway } = await opening();
  await link.exchange(call("POST", { headers: [["authorization", "Bearer s3cret"]] }));
  const [post] = gateway.posts;
  assert.deepEqual(
    [post?.url, post?.headers],
    [`${LINK}/_link`, { "content-type": "application/privatelink" }],
  );
  const wire = fromLatin1(post?.bytes ?? new Uint8Array());
  for (const secret of ["s3cret", "shop", "orders", "tea"]) assert.ok(!wire.includes(secret));
});

test("padding hides how long it is", async () => {
  const { link, gateway } = await opening({ padding: "padme" });
  for (const path of ["/a", "/ab"]) await link.exchange(call("POST", { path }));
  assert.equal(gateway.posts[0]?.bytes.length, gateway.posts[1]?.bytes.length);
});

for (const [name, changes, reason] of [
  ["CONNECT", { method: "CONNECT" }, /method/],
  ["the link's own path", { path: "/_link/keys" }, /one of the link's own/],
  ["an empty segment", { path: "//a" }, /path/],
  ["a header that the gateway makes", { headers: [["x-link-opened", "1"]] }, /x-link-opened/],
  ["a header with a line break", { headers: [["x-risk", "s3cret\n"]] }, /x-risk/],
] as [string, Partial<InnerCall>, RegExp][]) {
  test(`what the gateway would refuse is not sent: ${name}`, async () => {
    const { link, gateway } = await opening();
    const error = await failure(link.exchange(call("POST", changes)));
    assert.deepEqual([error.code, error.fault, error.outcomeUnknown], ["bad-request", undefined, false]);
    assert.match(error.reason, reason);
    assert.doesNotMatch(error.message, /s3cret/);
    assert.equal(gateway.posts.length, 0);
  });
}

test("aborted before it begins", async () => {
  const { link, gateway, events } = await opening();
  const reason = await rejection(link.exchange(call("GET", { signal: AbortSignal.abort() })));
  assert.ok(reason instanceof DOMException && reason.name === "AbortError");
  assert.deepEqual([gateway.fetches.length, gateway.posts.length], [0, 0]);
  assert.deepEqual(
    events.map(({ outcome, outcomeUnknown }) => [outcome, outcomeUnknown]),
    [["aborted", false]],
  );
});

test("aborted while it waits: the outer exchange is closed, and nothing is repeated", async () => {
  for (const reason of [undefined, "enough", new Error("enough")]) {
    const { link, gateway, events, clock } = await opening();
    gateway.script.push(() => new Promise(() => undefined));
    const controller = new AbortController();
    const told = rejection(link.exchange(call("GET", { signal: controller.signal })));
    await gateway.arrival();
    controller.abort(reason);
    if (reason === undefined) assert.equal(((await told) as DOMException).name, "AbortError");
    else assert.equal(await told, reason);
    const [post] = gateway.posts;
    assert.deepEqual([post?.signal?.aborted, gateway.posts.length, clock.waiting], [true, 1, 0]);
    assert.deepEqual([events[0]?.outcome, events[0]?.outcomeUnknown], ["aborted", true]);
  }
});

test("an AbortError of its own where the signal has no reason", async () => {
  const { link } = await opening();
  const signal = { aborted: true, addEventListener: () => undefined, removeEventListener: () => undefined };
  const told = await rejection(link.exchange(call("GET", { signal })));
  assert.ok(told instanceof Error && told.name === "AbortError");
});

test("an answer that comes after it was aborted is closed", async () => {
  const { link, gateway } = await opening();
  const controller = new AbortController();
  const late = answer(200, "application/privatelink");
  let come: () => void = () => undefined;
  const coming = new Promise<void>((resolve) => (come = resolve));
  gateway.script.push(() => coming.then(() => late));
  const told = rejection(link.exchange(call("GET", { signal: controller.signal })));
  await gateway.arrival();
  controller.abort("enough");
  assert.equal(await told, "enough");
  come();
  await until(() => late.isCanceled);
});

test("aborted while it waits before a repeat", async () => {
  const { link, gateway, clock } = await opening();
  const controller = new AbortController();
  clock.onSleep = () => {
    controller.abort("enough");
  };
  gateway.script.push(gateway.refusing("unavailable"));
  assert.equal(await rejection(link.exchange(call("POST", { signal: controller.signal }))), "enough");
  assert.equal(gateway.posts.length, 1);
});

test("a signal that outlives the exchange keeps nothing of it", async () => {
  const { link, gateway } = await opening();
  const listeners = new Set<() => void>();
  const signal = {
    aborted: false,
    addEventListener: (_: "abort", listener: () => void) => listeners.add(listener),
    removeEventListener: (_: "abort", listener: () => void) => listeners.delete(listener),
  };
  for (const streams of [false, true]) {
    gateway.streams = streams;
    await text(await link.exchange(call("POST", { signal })));
  }
  gateway.script.push(gateway.refusing("not-permitted"));
  await failure(link.exchange(call("POST", { signal })));
  assert.equal(listeners.size, 0);
});

test("telemetry: one event for an exchange, in the gateway's words", async () => {
  const { link, gateway, events, clock } = await opening();
  gateway.directories.push(async () => {
    clock.advance(40);
    return gateway.directoryAnswer();
  });
  gateway.script.push(gateway.refusing("unavailable"), (arrived) => {
    clock.advance(300);
    return gateway.answer(arrived);
  });
  const answer = await link.exchange(call("POST"));
  const [event] = events;
  assert.ok(event && events.length === 1);
  const { timings, sizes, ...rest } = event;
  assert.deepEqual(rest, {
    ...{ method: "POST", authority: "shop.example.com", outcome: "answered", status: 200, repeated: true },
    ...{ requestForm: "whole", answerForm: "whole", requestId: "id-1", keyId: answer.facts.keyId },
  });
  assert.deepEqual([timings.directory, timings.wait, Math.round(timings.total)], [40, 300, 40 + 300 + 1250]);
  const sent = gateway.posts.reduce((sum, { bytes }) => sum + bytes.length, 0);
  assert.deepEqual([sizes.sent, sizes.body], [sent, 3]);
  assert.deepEqual(answer.facts, { keyId: event.keyId, requestId: "id-1", repeated: true, elapsedMs: 300 });
});

test("telemetry: a failure, and a listener that throws costs nothing", async () => {
  const { link, gateway, warnings } = await opening({
    onExchange: () => {
      throw new Error("no room");
    },
  });
  gateway.script.push(gateway.refusing("not-permitted"));
  assert.equal((await failure(link.exchange(call("POST")))).code, "not-permitted");
  assert.match(warnings.join(), /onExchange has thrown: Error: no room/);
});

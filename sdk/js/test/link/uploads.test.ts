/**
 * Request bodies, and the form in which they leave.
 *
 * Invariant: whole when it fits, else streamed where the gateway takes that; what fails half-way has no end that the
 * upstream could take for one.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { utf8 } from "../../src/bytes.js";
import { bytes, call, failure, opening, rejection, text, until } from "./calls.js";
import { keysAnswer } from "./gateway.js";

const STREAM = "application/privatelink-stream";

async function* flow(...pieces: (string | Uint8Array | Error)[]): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) {
    await Promise.resolve();
    if (piece instanceof Error) throw piece;
    yield typeof piece === "string" ? utf8(piece) : piece;
  }
}

test("a body of unknown length is streamed", async () => {
  const { gateway, link, events } = await opening();
  assert.equal(
    await text(await link.exchange(call("POST", { body: flow("tea, ", "", "coffee") }))),
    "tea, coffee",
  );
  const [post] = gateway.posts;
  assert.deepEqual(post?.headers, { "content-type": STREAM });
  assert.deepEqual([events[0]?.requestForm, events[0]?.sizes.sent], ["streamed", post.bytes.length]);
});

test("of a declared length that fits, it goes whole", async () => {
  const { gateway, link } = await opening();
  await link.exchange(call("POST", { body: flow("te", "a"), length: 3 }));
  assert.equal(gateway.posts[0]?.headers["content-type"], "application/privatelink");
  const error = await failure(link.exchange(call("POST", { body: flow("te"), length: 3 })));
  assert.deepEqual([error.code, error.outcomeUnknown, gateway.posts.length], ["bad-request", false, 1]);
});

test("in hand and too long for a whole request, once it is sealed: streamed, and repeatable", async () => {
  for (const length of [65_536, 65_537, 300_000]) {
    const { gateway, link } = await opening();
    gateway.script.push(gateway.refusing("unavailable"));
    const body = new Uint8Array(length).fill(7);
    const answered = await link.exchange(call("POST", { body }));
    assert.deepEqual(await bytes(answered.body), body);
    assert.deepEqual(
      gateway.posts.map(({ url }) => url.endsWith("/stream")),
      [true, true],
    );
  }
});

test("a gateway that takes no streams: read up to its limit, and not beyond", async () => {
  const { gateway, link } = await opening();
  gateway.streamPath = "";
  assert.equal(await text(await link.exchange(call("POST", { body: flow("tea") }))), "tea");
  let pulled = 0;
  async function* forever(): AsyncGenerator<Uint8Array> {
    for (;;) {
      await Promise.resolve();
      pulled += 1000;
      yield new Uint8Array(1000);
    }
  }
  const error = await failure(link.exchange(call("POST", { body: forever() })));
  assert.deepEqual([error.code, error.outcomeUnknown, pulled], ["too-large", false, 66_000]);
  const sealed = await failure(link.exchange(call("POST", { body: new Uint8Array(65_536) })));
  assert.deepEqual([sealed.code, gateway.posts.length], ["too-large", 1]);
});

test("a body that fails ends nothing well, and is told as it is", async () => {
  const { gateway, link, events } = await opening();
  const reason = new Error("the camera is gone");
  assert.equal(await rejection(link.exchange(call("POST", { body: flow("tea", reason) }))), reason);
  assert.deepEqual([gateway.ran.length, gateway.posts.length], [0, 0]);
  assert.deepEqual(
    [events[0]?.outcome, events[0]?.code, events[0]?.outcomeUnknown],
    ["failed", undefined, true],
  );
});

test("a streamed body of another length than declared", async () => {
  const long = new Uint8Array(70_000);
  for (const [pieces, length] of [
    [[long], 70_001],
    [[long, "x"], 70_000],
  ] as const) {
    const { gateway, link } = await opening();
    const error = await failure(link.exchange(call("POST", { body: flow(...pieces), length })));
    assert.deepEqual([error.code, error.outcomeUnknown, gateway.ran.length], ["bad-request", true, 0]);
  }
});

test("a carrier that can't stream gets one piece", async () => {
  const { gateway, link } = await opening();
  gateway.streamsRequests = false;
  assert.equal(
    await text(await link.exchange(call("POST", { body: flow("tea, ", "coffee") }))),
    "tea, coffee",
  );
  assert.ok(gateway.posts[0]?.body instanceof Uint8Array);
});

test("progress is told in bytes of the caller's", async () => {
  const { gateway, link } = await opening();
  const told: [number, number | undefined][] = [];
  const onProgress = (sent: number, total?: number): void => void told.push([sent, total]);
  gateway.script.push((arrived) => {
    arrived.onProgress?.(arrived.bytes.length / 2, arrived.bytes.length);
    arrived.onProgress?.(arrived.bytes.length, arrived.bytes.length);
    return gateway.answer(arrived);
  });
  await link.exchange(call("POST", { body: new Uint8Array(1000), onProgress }));
  gateway.script.push((arrived) => {
    arrived.onProgress?.(arrived.bytes.length);
    return gateway.answer(arrived);
  });
  await link.exchange(call("POST", { body: flow(new Uint8Array(70_000)), length: 70_000, onProgress }));
  assert.deepEqual(told, [
    [500, 1000],
    [1000, 1000],
    [70_000, 70_000],
  ]);
});

test("headers that fit into no segment", async () => {
  const { link, gateway } = await opening();
  gateway.directories.push(async () => keysAnswer(await gateway.signed({ maxRequestBytes: 10 })));
  const path = `/${"x".repeat(16_000)}`;
  const headers = [["x-long", "y".repeat(65_000)]] as [string, string][];
  const error = await failure(link.exchange(call("POST", { path, headers })));
  assert.deepEqual([error.code, error.outcomeUnknown, gateway.posts.length], ["too-large", false, 0]);
});

test("aborted while a body is gathered that does not go on", async () => {
  const { gateway, link, clock } = await opening();
  gateway.streamsRequests = false;
  const controller = new AbortController();
  async function* stalled(): AsyncGenerator<Uint8Array> {
    yield utf8("tea");
    controller.abort("enough");
    await new Promise(() => undefined);
  }
  const { signal } = controller;
  assert.equal(await rejection(link.exchange(call("POST", { body: stalled(), signal }))), "enough");
  assert.deepEqual([gateway.posts.length, clock.waiting], [0, 0]);
});

test("a body that takes its time is not the gateway's silence", async () => {
  const { gateway, link, clock } = await opening();
  async function* slow(): AsyncGenerator<Uint8Array> {
    yield utf8("tea, ");
    clock.advance(600_000);
    yield await Promise.resolve(utf8("coffee"));
  }
  gateway.script.push(gateway.replying({ status: 204 }));
  assert.equal((await link.exchange(call("POST", { body: slow() }))).status, 204);
});

test("aborted while a body is gathered that goes on: no more of it is read", async () => {
  const { gateway, link } = await opening();
  gateway.streamsRequests = false;
  const controller = new AbortController();
  let pulled = 0;
  let isLeft = false;
  async function* long(): AsyncGenerator<Uint8Array> {
    try {
      while (++pulled < 100) {
        await new Promise(setImmediate);
        if (pulled === 3) controller.abort("enough");
        yield utf8("tea");
      }
    } finally {
      isLeft = true;
    }
  }
  const { signal } = controller;
  assert.equal(await rejection(link.exchange(call("POST", { body: long(), signal }))), "enough");
  await until(() => isLeft);
  assert.deepEqual([pulled, gateway.posts.length], [3, 0]);
});

test("what is told of progress and throws costs no request", async () => {
  const { gateway, link, warnings } = await opening();
  gateway.script.push((arrived) => {
    arrived.onProgress?.(1);
    return gateway.answer(arrived);
  });
  const onProgress = (): never => {
    throw new Error("no such element");
  };
  assert.equal((await link.exchange(call("POST", { onProgress }))).status, 200);
  assert.match(warnings.join(), /onProgress has thrown: Error: no such element/);
});

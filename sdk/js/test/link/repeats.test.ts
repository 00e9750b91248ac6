/**
 * Requests that are sealed once more (protocol, section 8).
 *
 * Invariant: at most once, only for what stands there, under one exchange id, and so that nothing runs twice; what
 * may have run is never denied.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { hex } from "../../src/bytes.js";
import { call, failure, opening, text } from "./calls.js";
import { answer, problem } from "./gateway.js";
import type { Gateway, Script } from "./gateway.js";
import { gatewayKey } from "./unsealing.js";

const HOUR_MS = 3_600_000;

function broken(): Promise<never> {
  return Promise.reject(new TypeError("Failed to fetch"));
}

/** It ran, and its answer did not arrive. */
function late(gateway: Gateway): Script {
  return async (arrived) => {
    await gateway.answer(arrived);
    return broken();
  };
}

async function* once(): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(Uint8Array.of(1));
}

for (const method of ["GET", "HEAD", "OPTIONS"]) {
  test(`${method} is sent again when the transport fails`, async () => {
    const { gateway, link } = await opening();
    gateway.script.push(broken);
    const answered = await link.exchange(call(method));
    assert.ok(answered.facts.repeated);
    assert.deepEqual([gateway.posts.length, gateway.ran.length], [2, 1]);
  });
}

test("POST is not, unless it is marked, and then it runs once", async () => {
  const { gateway, link } = await opening();
  gateway.script.push(broken, broken);
  const error = await failure(link.exchange(call("POST")));
  assert.deepEqual([error.code, error.outcomeUnknown, gateway.posts.length], ["network", true, 1]);
  assert.equal(await text(await link.exchange(call("POST", { repeatable: true }))), "tea");
  const [one, two] = gateway.posts.slice(1);
  assert.notDeepEqual(one?.bytes, two?.bytes);
  gateway.script.push(late(gateway));
  const lost = await failure(link.exchange(call("POST", { repeatable: true })));
  assert.deepEqual([lost.code, lost.outcomeUnknown], ["network", true]);
  assert.match(lost.reason, /it failed again: replayed/);
  assert.equal(gateway.ran.length, 2);
});

test("both sealings have one exchange id, and the second its own time and nonce", async () => {
  const { gateway, link, clock } = await opening();
  gateway.script.push(async (arrived) => {
    await gateway.openedBy(arrived);
    clock.advance(5000);
    return broken();
  });
  await link.exchange(call("GET"));
  const [one, two] = gateway.opened;
  assert.equal(hex(one?.exchangeId ?? new Uint8Array()), hex(two?.exchangeId ?? new Uint8Array()));
  assert.equal(Number(two?.sentAtMs) - Number(one?.sentAtMs), 5000);
});

test("a body that is spent is not sent again", async () => {
  const { gateway, link } = await opening();
  gateway.script.push(gateway.refusing("unavailable"));
  const error = await failure(link.exchange(call("PUT", { body: once(), repeatable: true })));
  assert.deepEqual([error.code, gateway.posts.length], ["unavailable", 1]);
});

test("unavailable: after a second or so", async () => {
  const { gateway, link, clock } = await opening();
  gateway.script.push(gateway.refusing("unavailable"));
  assert.equal(await text(await link.exchange(call("POST"))), "tea");
  assert.deepEqual(clock.slept.map(Math.round), [1250]);
});

test("unavailable twice stays so", async () => {
  const { gateway, link } = await opening();
  gateway.script.push(gateway.refusing("unavailable"), gateway.refusing("unavailable"));
  const error = await failure(link.exchange(call("POST")));
  assert.deepEqual([error.code, error.fault, error.outcomeUnknown], ["unavailable", "unavailable", true]);
  assert.equal(gateway.posts.length, 2);
});

for (const code of ["replayed", "bad-request", "not-permitted", "response-too-large"]) {
  test(`${code} is final`, async () => {
    const { gateway, link } = await opening();
    gateway.script.push(gateway.refusing(code));
    const error = await failure(link.exchange(call("GET")));
    const isUnknown = code === "replayed" || code === "response-too-large";
    assert.deepEqual([error.code, error.fault, error.outcomeUnknown], [code, code, isUnknown]);
    assert.equal(gateway.posts.length, 1);
  });
}

test("not within 60 s any more: by either clock", async () => {
  for (const asleep of ["ms", "ticks"] as const) {
    const { gateway, link, clock } = await opening();
    gateway.script.push(() => {
      clock[asleep] += 60_001;
      return broken();
    });
    const error = await failure(link.exchange(call("GET")));
    assert.deepEqual([error.code, gateway.posts.length], ["network", 1]);
  }
});

test("clock-skew: the clock is corrected, and stays so", async () => {
  const { gateway, link, clock } = await opening();
  gateway.nowMs = () => clock.ms + HOUR_MS;
  assert.ok((await link.exchange(call("POST"))).facts.repeated);
  assert.ok(!(await link.exchange(call("POST"))).facts.repeated);
  assert.equal(Number(gateway.ran.at(-1)?.sentAtMs), clock.ms + HOUR_MS);
  assert.equal(gateway.posts.length, 3);
});

test("what a clock-skew proves", async () => {
  // [after it was sealed, way there, whether it may have run]: stale by any gateway's clock, however soon it arrived
  const cases = [
    [126, 0, false],
    [124, 0, true],
    [136, 9, false],
    [136, 12, true],
    [-31, 0, true],
    [-3600, 0, true],
  ] as const;
  for (const [lateS, wayS, isUnknown] of cases) {
    const { gateway, link, clock } = await opening();
    const sealedAt = clock.ms;
    gateway.script.push((arrived) => {
      clock.advance(wayS * 1000);
      return gateway.refusing("clock-skew", sealedAt + lateS * 1000)(arrived);
    });
    const error = await failure(link.exchange(call("PUT", { body: once() })));
    assert.deepEqual([error.code, error.outcomeUnknown], ["clock-skew", isUnknown], `${lateS} s`);
  }
});

test("a clock over 150 s fast: only what is safe is sealed again", async () => {
  for (const [method, runs] of [
    ["POST", 0],
    ["GET", 1],
  ] as const) {
    const { gateway, link, clock } = await opening();
    gateway.nowMs = () => clock.ms - HOUR_MS;
    const exchange = link.exchange(call(method, { repeatable: true }));
    if (method === "GET") assert.ok((await exchange).facts.repeated);
    else assert.equal((await failure(exchange)).outcomeUnknown, true);
    assert.equal(gateway.ran.length, runs);
    assert.ok(!(await link.exchange(call("POST"))).facts.repeated, "the next one knows the time");
  }
});

test("unknown-key: when the directory has brought a key that it did not have", async () => {
  const { gateway, link } = await opening();
  await link.exchange(call("GET"));
  gateway.keys = [await gatewayKey()];
  gateway.serial = 2;
  assert.equal(await text(await link.exchange(call("POST"))), "tea");
  assert.deepEqual([gateway.fetches.length, gateway.fetches[1]?.fresh], [2, true]);
});

test("unknown-key: a less preferred key is no remedy", async () => {
  const { gateway, link } = await opening();
  gateway.keys.push(await gatewayKey());
  gateway.script.push(() => Promise.resolve(problem("unknown-key")));
  const error = await failure(link.exchange(call("GET")));
  assert.deepEqual([error.code, error.fault, error.outcomeUnknown], ["unknown-key", undefined, true]);
  assert.deepEqual([gateway.posts.length, gateway.fetches.length], [1, 2]);
});

test("unknown-key: asks at most once a minute, and many calls ask together", async () => {
  const { gateway, link, clock } = await opening();
  await link.exchange(call("GET"));
  gateway.keys = [await gatewayKey()];
  gateway.serial = 2;
  const answers = await Promise.all([1, 2, 3].map(() => link.exchange(call("POST"))));
  assert.ok(answers.every(({ facts }) => facts.repeated));
  assert.equal(gateway.fetches.length, 2);
  gateway.keys = [await gatewayKey()];
  gateway.serial = 3;
  assert.equal((await failure(link.exchange(call("POST")))).code, "unknown-key");
  assert.equal(gateway.fetches.length, 2);
  clock.advance(60_000);
  assert.ok((await link.exchange(call("POST"))).facts.repeated);
  assert.equal(gateway.fetches.length, 3);
});

// What becomes of two failures: [first, second, the code that is told, of which one, whether it may have run].
type Failing = (gateway: Gateway) => Script;

const refused =
  (fault: string, afterS = 50): Failing =>
  (gateway) =>
    gateway.refusing(fault, gateway.nowMs() + afterS * 1000);
const forged: Failing = () => () => Promise.resolve(answer(503, "text/plain"));
const reset: Failing = () => broken;
const stale = refused("clock-skew", 200);
const renewed: Failing = (gateway) => async () => {
  gateway.keys = [await gatewayKey(), ...gateway.keys];
  gateway.serial = 2;
  return problem("unknown-key");
};

const CASES: readonly [string, Failing, Failing, string, number, boolean][] = [
  ["late, replayed", late, refused("replayed"), "network", 1, true],
  ["late, reset", late, reset, "network", 2, true],
  ["late, forged", late, forged, "gateway", 2, true],
  ["late, unavailable", late, refused("unavailable"), "unavailable", 2, true],
  ["late, not permitted", late, refused("not-permitted"), "not-permitted", 2, true],
  ["unknown key, replayed", renewed, refused("replayed"), "unknown-key", 1, true],
  ["unknown key, reset", renewed, reset, "network", 2, true],
  ["unavailable, replayed", refused("unavailable"), refused("replayed"), "unavailable", 1, true],
  ["unavailable, not permitted", refused("unavailable"), refused("not-permitted"), "not-permitted", 2, true],
  ["skewed, stale", refused("clock-skew"), stale, "clock-skew", 2, true],
  ["stale, replayed", stale, refused("replayed"), "replayed", 2, true],
  ["stale, forged", stale, forged, "gateway", 2, true],
  ["stale, not permitted", stale, refused("not-permitted"), "not-permitted", 2, false],
];

for (const [name, first, second, code, sealing, isUnknown] of CASES) {
  test(`of two failures: ${name}`, async () => {
    const { gateway, link } = await opening();
    await link.exchange(call("HEAD"));
    gateway.script.push(first(gateway), second(gateway));
    const error = await failure(link.exchange(call("GET")));
    assert.deepEqual([error.code, error.outcomeUnknown, gateway.posts.length], [code, isUnknown, 3]);
    if (sealing === 1) assert.match(error.reason, /it failed again/);
    else assert.ok(error.cause instanceof Error);
  });
}

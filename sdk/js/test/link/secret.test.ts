/** The link secret. Invariant: it is used for an hour and 2^20 requests at most, and to one key (protocol, section 3). */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Secrets } from "../../src/link/secret.js";
import { memoryStore } from "../../src/link/store.js";
import { Clock } from "./clock.js";
import { Gateway } from "./gateway.js";
import { gatewayKey } from "./unsealing.js";

const clock = new Clock();
const platform = clock.platform(new Gateway(clock), memoryStore());

test("for 2^20 requests, those at the same time too", async () => {
  const { public: key } = await gatewayKey();
  const secrets = new Secrets(platform);
  const first = secrets.take(key);
  let last = first;
  for (let uses = 1; uses < 2 ** 20; uses++) last = secrets.take(key);
  assert.equal(last, first);
  assert.notEqual(secrets.take(key), first);
  assert.notDeepEqual((await secrets.take(key)).encapsulation, (await first).encapsulation);
});

test("for an hour, by the clock that says more", async () => {
  const { public: key } = await gatewayKey();
  for (const asleep of ["ms", "ticks"] as const) {
    const secrets = new Secrets(platform);
    const first = secrets.take(key);
    clock[asleep] += 3_599_999;
    assert.equal(secrets.take(key), first);
    clock[asleep] += 1;
    assert.notEqual(secrets.take(key), first);
  }
});

test("to one key, and until it is forgotten", async () => {
  const [one, other] = [(await gatewayKey()).public, (await gatewayKey()).public];
  const secrets = new Secrets(platform);
  const first = secrets.take(one);
  assert.equal(secrets.take({ ...one }), first);
  assert.notEqual(secrets.take(other), first);
  const second = secrets.take(one);
  secrets.forget();
  assert.notEqual(secrets.take(one), second);
});

test("one that could not be drawn is drawn again", async () => {
  const { public: key } = await gatewayKey();
  const { crypto } = platform;
  let failures = 1;
  const random = (length: number): ReturnType<typeof crypto.random> =>
    failures-- > 0 ? Promise.reject(new Error("no randomness")) : crypto.random(length);
  const secrets = new Secrets({ ...platform, crypto: { ...crypto, random } });
  await assert.rejects(secrets.take(key), /no randomness/);
  assert.equal((await secrets.take(key)).encapsulation.length, 80);
});

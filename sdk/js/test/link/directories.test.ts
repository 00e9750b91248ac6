/**
 * The key directory, when it is fetched and which is gone by.
 *
 * Invariant: a link seals to a key of the newest directory that it has seen, whoever saw it, and by the device's own
 * clock; what calls can share is fetched once.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { XWING } from "../../src/crypto/seam.js";
import { base64url, hex } from "../../src/bytes.js";
import { LinkError } from "../../src/errors.js";
import { memoryStore } from "../../src/link/store.js";
import { call, failure, opening, until } from "./calls.js";
import type { Scene } from "./calls.js";
import { DAY, LINK, keysAnswer } from "./gateway.js";
import { Root, gatewayKey } from "./unsealing.js";

test("one fetch serves many calls, and its failure is theirs", async () => {
  const { gateway, link } = await opening();
  gateway.directories.push(() => Promise.reject(new Error("refused")));
  const calls = [1, 2, 3].map(() => failure(link.exchange(call("POST"))));
  assert.deepEqual(
    (await Promise.all(calls)).map(({ code }) => code),
    ["network", "network", "network"],
  );
  await Promise.all([1, 2, 3].map(() => link.exchange(call("POST"))));
  assert.deepEqual([gateway.fetches.length, gateway.posts.length], [2, 3]);
  const [fetch] = gateway.fetches;
  assert.deepEqual([fetch?.url, fetch?.credentials, fetch?.fresh], [`${LINK}/_link/keys`, "omit", false]);
});

test("a call that is aborted leaves the fetch to the others", async () => {
  const { gateway, link } = await opening();
  const [one, two] = [new AbortController(), new AbortController()];
  const aborted = link.exchange(call("POST", { signal: one.signal })).catch((error: unknown) => error);
  const other = link.exchange(call("POST", { signal: two.signal }));
  await gateway.arrival("GET");
  one.abort("enough");
  assert.equal(await aborted, "enough");
  assert.equal((await other).status, 200);
  assert.equal(gateway.fetches.length, 1);
});

test("a shipped directory needs no fetch", async () => {
  const { scene, gateway } = await opening();
  await scene.link({ directory: await gateway.signed() }).exchange(call("POST"));
  assert.equal(gateway.fetches.length, 0);
});

test("a shipped directory that is of no use is told, unless it has but expired", async () => {
  for (const [made, warnings] of [
    [{ links: ["https://other.example.com"] }, 1],
    [{ issuedAt: 1, expiresAt: 2 }, 0],
  ] as const) {
    const { scene, gateway } = await opening();
    const directory = await gateway.signed(JSON.parse(JSON.stringify(made)) as object);
    await scene.link({ directory }).exchange(call("POST"));
    assert.deepEqual([gateway.fetches.length, scene.warnings.length], [1, warnings]);
  }
});

test("it is fetched again at half of its life, while requests go on", async () => {
  const { gateway, link, clock } = await opening();
  await link.exchange(call("POST"));
  clock.advance(3.49 * DAY * 1000);
  await link.exchange(call("POST"));
  assert.equal(gateway.fetches.length, 1);
  clock.advance(0.02 * DAY * 1000);
  gateway.directories.push(() => new Promise(() => undefined));
  await link.exchange(call("POST"));
  await link.exchange(call("POST"));
  assert.equal(gateway.fetches.length, 2);
});

test("a refresh that fails is told, and tried again after a minute", async () => {
  const { gateway, link, clock, warnings } = await opening();
  await link.exchange(call("POST"));
  clock.advance(4 * DAY * 1000);
  gateway.directories.push(() => Promise.reject(new Error("refused")));
  await link.exchange(call("POST"));
  await until(() => warnings.length > 0);
  assert.match(warnings.join(), /not refreshed: LinkError: network/);
  await link.exchange(call("POST"));
  assert.equal(gateway.fetches.length, 2);
  clock.advance(60_000);
  await link.exchange(call("POST"));
  await until(() => gateway.fetches.length === 3);
});

test("a higher serial in an answer has it fetched, past caches", async () => {
  const { gateway, link, clock } = await opening();
  await link.exchange(call("POST"));
  gateway.serial = 2;
  await link.exchange(call("POST"));
  assert.equal(gateway.fetches.length, 1);
  clock.advance(5000);
  await link.exchange(call("POST"));
  await until(() => gateway.fetches.length === 2);
  assert.equal(gateway.fetches[1]?.fresh, true);
});

test("a directory that has run out is not gone by, whatever a gateway says of the time", async () => {
  const { gateway, link, clock } = await opening();
  await link.exchange(call("POST"));
  gateway.script.push(gateway.refusing("clock-skew", clock.ms));
  clock.advance(7 * DAY * 1000);
  const error = await failure(link.exchange(call("POST")));
  assert.deepEqual([error.code, error.outcomeUnknown], ["directory-expired", false]);
});

test("a rolled back directory is refused, and so are other bytes of one serial", async () => {
  for (const [serial, expiresIn] of [
    [1, 7],
    [2, 6],
  ] as const) {
    const { gateway, link, clock } = await opening();
    gateway.serial = 2;
    await link.exchange(call("POST"));
    clock.advance(7 * DAY * 1000);
    const changes = { serial, issuedAt: clock.now, expiresAt: clock.now + expiresIn * DAY };
    gateway.directories.push(async () => keysAnswer(await gateway.signed(changes)));
    assert.equal((await failure(link.exchange(call("POST")))).code, "directory-rolled-back");
  }
});

test("the floor outlives a reload, and the directory does", async () => {
  const { scene, gateway, link } = await opening();
  gateway.serial = 5;
  await link.exchange(call("POST"));
  await scene.link().exchange(call("POST"));
  assert.equal(gateway.fetches.length, 1);
  scene.clock.advance(7 * DAY * 1000);
  const { now } = scene.clock;
  gateway.directories.push(async () =>
    keysAnswer(await gateway.signed({ serial: 4, issuedAt: now, expiresAt: now + DAY })),
  );
  const error = await failure(scene.link().exchange(call("POST")));
  assert.equal(error.code, "directory-rolled-back");
});

test("what another page has accepted counts here too, without a fetch", async () => {
  const { scene, gateway, link } = await opening();
  const other = scene.link();
  await link.exchange(call("POST"));
  await other.exchange(call("POST"));
  const fresh = await gatewayKey();
  gateway.keys = [fresh, ...gateway.keys];
  gateway.serial = 2;
  scene.clock.advance(4 * DAY * 1000);
  const { now } = scene.clock;
  const renewed = gateway.signed({ issuedAt: now, expiresAt: now + 7 * DAY });
  gateway.directories.push(async () => keysAnswer(await renewed));
  const before = await stored(scene);
  await other.exchange(call("POST")); // refreshes
  await until(async () => (await stored(scene)) !== before);
  const { facts } = await link.exchange(call("POST"));
  assert.deepEqual([facts.keyId, gateway.fetches.length], [hex(fresh.id), 2]);
});

function stored({ store }: Scene): Promise<string | undefined> {
  return store.update(`extproc-link ${LINK}`, (text) => text);
}

// A key that was stolen stands in the directory of serial 1; of that of serial 2, which has come after it, nothing is left.
test("what was overtaken is not gone by again: a shipped directory, and that of a page that has slept", async () => {
  for (const isShipped of [true, false]) {
    const { scene, gateway, clock } = await opening();
    const expiresAt = clock.now + 29 * DAY;
    const directory = await gateway.signed({ expiresAt });
    const asleep = scene.link({ directory });
    if (!isShipped) await asleep.exchange(call("POST"));
    gateway.keys = [await gatewayKey()];
    gateway.serial = 2;
    await scene.link().exchange(call("POST"));
    clock.advance(8 * DAY * 1000);
    gateway.directories.push(() => Promise.reject(new Error("cut off")));
    const posts = gateway.posts.length;
    assert.equal((await failure(asleep.exchange(call("POST")))).code, "network");
    assert.equal(gateway.posts.length, posts);
    const kept = JSON.parse((await stored(scene)) ?? "") as { directory: string };
    assert.notEqual(kept.directory, base64url(directory));
  }
});

test("warnings that throw cost no request", async () => {
  const { scene, gateway, clock } = await opening();
  const update = (): Promise<never> => Promise.reject(new Error("full"));
  const onWarning = (): never => {
    throw new Error("no console");
  };
  const link = scene.link({ store: { update }, onWarning });
  await link.exchange(call("POST"));
  clock.advance(4 * DAY * 1000);
  gateway.directories.push(() => Promise.reject(new Error("refused")));
  assert.equal((await link.exchange(call("POST"))).status, 200);
  await until(() => gateway.fetches.length === 2);
});

test("requirePq: the first X-Wing key, and nothing else", async () => {
  const { scene, gateway } = await opening();
  const link = scene.link({ requirePq: true });
  assert.equal((await failure(link.exchange(call("POST")))).code, "directory-no-key");
  const hybrid = await gatewayKey(XWING);
  gateway.keys.push(hybrid);
  gateway.serial = 2;
  assert.equal((await link.exchange(call("POST"))).facts.keyId, hex(hybrid.id));
});

test("pinned keys: nothing is fetched, not for unknown-key either", async () => {
  const { scene, gateway } = await opening();
  const [key] = gateway.keys;
  const link = scene.link({ keys: [key?.text ?? ""], store: memoryStore() });
  await link.exchange(call("POST"));
  gateway.keys = [await gatewayKey()];
  assert.equal((await failure(link.exchange(call("POST")))).code, "unknown-key");
  assert.deepEqual([gateway.fetches.length, gateway.posts.length], [0, 2]);
});

test("either of two roots is enough, and each has a floor of its own", async () => {
  const { scene, gateway } = await opening();
  const spare = new Root();
  const roots = [gateway.root.text, spare.text];
  gateway.directories.push(async () => keysAnswer(await gateway.signed({ serial: 9 }, spare)));
  await scene.link({ roots }).exchange(call("POST"));
  scene.clock.advance(7 * DAY * 1000);
  const { now } = scene.clock;
  const changes = { serial: 2, issuedAt: now, expiresAt: now + DAY };
  gateway.directories.push(async () => keysAnswer(await gateway.signed(changes)));
  assert.equal((await scene.link({ roots }).exchange(call("POST"))).status, 200);
});

test("a key that is none is the directory's fault, before anything is sent", async () => {
  const { scene, gateway } = await opening();
  const link = scene.link({ keys: [`x25519:${"A".repeat(43)}`] }); // a point of low order
  const error = await failure(link.exchange(call("POST")));
  assert.ok(error instanceof LinkError);
  assert.deepEqual([error.code, error.outcomeUnknown, gateway.posts.length], ["directory", false, 0]);
});

test("a link secret serves an hour, concurrent calls too, and is another after it", async () => {
  const { gateway, link, clock } = await opening();
  const of = (bytes: Uint8Array | undefined): string => hex(bytes?.subarray(12, 92) ?? new Uint8Array()); // the encapsulation
  await Promise.all([1, 2, 3].map(() => link.exchange(call("POST"))));
  clock.advance(3_599_000);
  await link.exchange(call("POST"));
  clock.advance(1000);
  await link.exchange(call("POST"));
  const secrets = gateway.posts.map(({ bytes }) => of(bytes));
  assert.equal(new Set(secrets.slice(0, 4)).size, 1);
  assert.notEqual(secrets[4], secrets[0]);
});

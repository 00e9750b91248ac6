/**
 * What outlives the page.
 *
 * Invariant: the pages of an origin have one cookie binding, and none lowers another's floor; a store that fails
 * costs no request; after `forget` nothing is stored, and no page goes on with what was.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { hex } from "../../src/bytes.js";
import { merge } from "../../src/link/memory.js";
import { keyValueStore, memoryStore } from "../../src/link/store.js";
import { webStorageStore } from "../../src/link/webstore.js";
import type { Store } from "../../src/link/store.js";
import { call, opening, until } from "./calls.js";
import type { Page } from "./calls.js";
import { LINK } from "./gateway.js";

const KEY = `extproc-link ${LINK}`;

/** The bindings that the requests have come with. */
function bindings({ gateway }: Pick<Page, "gateway">): string[] {
  return gateway.ran.map(({ cookieBinding }) => hex(cookieBinding));
}

const stored = (store: Store): Promise<string | undefined> => store.update(KEY, (text) => text);

test("the binding is drawn once, for all pages and reloads", async () => {
  const page = await opening();
  const other = page.scene.link();
  await Promise.all([page.link, other, other].map((link) => link.exchange(call("POST"))));
  await page.scene.link().exchange(call("POST"));
  const [first, ...rest] = bindings(page);
  assert.match(first ?? "", /^[0-9a-f]{64}$/);
  assert.deepEqual(new Set(rest), new Set([first]));
  assert.notEqual(bindings(await another())[0], first);
});

async function another(): Promise<Page> {
  const page = await opening();
  await page.link.exchange(call("POST"));
  return page;
}

test("without credentials there is none", async () => {
  const page = await opening();
  await page.link.exchange(call("POST", { credentials: "omit" }));
  assert.deepEqual([bindings(page), page.gateway.posts[0]?.credentials], [[""], "omit"]);
});

test("a given one is used, and not stored", async () => {
  const cookieBinding = new Uint8Array(32).fill(7);
  const page = await opening({ cookieBinding });
  await page.link.exchange(call("POST"));
  assert.deepEqual(bindings(page), [hex(cookieBinding)]);
  assert.match((await stored(page.scene.store)) ?? "", /"cookieBinding":""/);
});

test("forget: nothing is stored, and this page and the others go on as new ones", async () => {
  const page = await opening();
  const other = page.scene.link();
  for (const link of [page.link, other]) await link.exchange(call("POST"));
  await page.link.forget();
  assert.equal(await stored(page.scene.store), undefined);
  for (const link of [other, page.link, page.scene.link()]) await link.exchange(call("POST"));
  const [before, same, ...after] = bindings(page);
  assert.equal(same, before);
  assert.deepEqual([new Set(after).size, after.includes(before ?? "")], [1, false]);
  const secrets = page.gateway.posts.map(({ bytes }) => hex(bytes.subarray(0, 90)));
  assert.ok(secrets.slice(2).every((secret) => !secrets.slice(0, 2).includes(secret)));
});

test("forgotten before it began, and while it is under way", async () => {
  const page = await opening();
  await page.link.forget();
  const exchange = page.link.exchange(call("POST"));
  await page.link.forget();
  await exchange;
  await page.link.exchange(call("POST"));
  assert.match(bindings(page).at(-1) ?? "", /^[0-9a-f]{64}$/);
});

test("a store that fails, or hangs, is told once, and memory has it all", async () => {
  for (const isHanging of [false, true]) {
    const update = (): Promise<never> =>
      isHanging ? new Promise(() => undefined) : Promise.reject(new Error("full"));
    const page = await opening({ store: { update } });
    const exchanges = [1, 2].map(() => page.link.exchange(call("POST")));
    if (isHanging) await until(() => page.clock.waiting > 0);
    page.clock.advance(2000);
    await Promise.all(exchanges);
    await page.link.exchange(call("POST"));
    assert.deepEqual([new Set(bindings(page)).size, page.gateway.fetches.length], [1, 1]);
    assert.match(page.warnings.join(), /remembered in memory only/);
    assert.equal(page.warnings.length, 1);
  }
});

test("forget rejects when the store can't be emptied, and the page goes on as another all the same", async () => {
  const store = memoryStore();
  let isBroken = false;
  const update: Store["update"] = (key, change) =>
    isBroken ? Promise.reject(new Error("locked")) : store.update(key, change);
  const page = await opening({ store: { update } });
  await page.link.exchange(call("POST"));
  isBroken = true;
  await page.link.exchange(call("POST")); // memory has it from here on
  await assert.rejects(page.link.forget(), /locked/);
  await page.link.exchange(call("POST"));
  isBroken = false;
  await page.link.forget();
  assert.equal(await stored(store), undefined);
  const [one, two, three] = bindings(page);
  assert.deepEqual([two === one, three === one], [true, false]);
});

for (const damage of [
  "{",
  "[]",
  "7",
  '{"version":2}',
  '{"version":1,"accepted":{"a":{"serial":"1","digest":""}},"directory":"","cookieBinding":""}',
  '{"version":1,"accepted":{},"directory":"*","cookieBinding":""}',
  '{"version":1,"accepted":{},"directory":"","cookieBinding":"AAAA"}',
]) {
  test(`a damaged text is kept aside, and told: ${damage}`, async () => {
    const page = await opening();
    const { store } = page.scene;
    await store.update(KEY, () => damage);
    await page.link.exchange(call("POST"));
    assert.match(page.warnings.join(), /damaged: the rollback floor is forgotten/);
    await until(async () => (await store.update(`${KEY} corrupt`, (text) => text)) === damage);
    await page.scene.link().exchange(call("POST"));
    assert.equal(new Set(bindings(page)).size, 1);
    await page.link.forget();
    assert.equal(await store.update(`${KEY} corrupt`, (text) => text), undefined);
  });
}

test("of each root the higher serial, of one serial with two contents the first", () => {
  const seen = (...entries: [string, number, string][]): Map<string, { serial: number; digest: string }> =>
    new Map(entries.map(([root, serial, digest]) => [root, { serial, digest }]));
  const [ours, theirs] = [Uint8Array.of(1), Uint8Array.of(2)];
  const older = { signed: ours, seen: seen(["a", 2, "x"], ["b", 1, "x"]) };
  assert.deepEqual(merge(older, { signed: theirs, seen: seen(["a", 3, "y"]) }), {
    ...{ signed: theirs, binding: undefined },
    seen: seen(["a", 3, "y"], ["b", 1, "x"]),
  });
  for (const worse of [seen(["a", 1, "y"]), seen(["a", 2, "y"])]) {
    const merged = merge(older, { signed: theirs, seen: worse, binding: theirs });
    assert.deepEqual(
      [merged.signed, merged.seen.get("a"), merged.binding],
      [ours, { serial: 2, digest: "x" }, theirs],
    );
  }
});

test("stores: what is updated is there, updates follow one another, and undefined is nothing", async () => {
  const texts = new Map<string, string>();
  const storage = {
    get: async (key: string) => {
      await new Promise(setImmediate);
      return texts.get(key);
    },
    set: (key: string, text: string) => texts.set(key, text),
    remove: (key: string) => texts.delete(key),
  };
  for (const store of [memoryStore(), keyValueStore(storage), webStorageStore(new StorageDouble())]) {
    await Promise.all(["a", "b", "c"].map((each) => store.update("k", (text = "") => text + each)));
    assert.equal(await store.update("k", (text) => text), "abc");
    assert.equal(await store.update("other", (text) => text), undefined);
    assert.equal(await store.update("k", () => undefined), undefined);
    assert.equal(await store.update("k", (text) => text), undefined);
  }
  assert.equal(texts.size, 0);
});

test("a store that has failed once goes on", async () => {
  let isFull = true;
  const set = (): void => {
    if (isFull) throw new Error("full");
  };
  const store = keyValueStore({ get: () => null, set, remove: () => undefined });
  await assert.rejects(
    store.update("k", () => "a"),
    /full/,
  );
  isFull = false;
  assert.equal(await store.update("k", () => "a"), "a");
});

/** A double of localStorage. */
class StorageDouble implements Storage {
  readonly #texts = new Map<string, string>();

  get length(): number {
    return this.#texts.size;
  }

  clear(): void {
    this.#texts.clear();
  }

  getItem(key: string): string | null {
    return this.#texts.get(key) ?? null;
  }

  key(index: number): string | null {
    return [...this.#texts.keys()][index] ?? null;
  }

  removeItem(key: string): void {
    this.#texts.delete(key);
  }

  setItem(key: string, text: string): void {
    this.#texts.set(key, text);
  }
}

/** An inner answer is a Response as `fetch` gives it. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { deflateRawSync as deflateRaw, deflateSync as deflate, gzipSync as gzip } from "node:zlib";
import { LinkError } from "../../src/errors.js";
import { scene } from "./double.js";

const SHOP = "https://shop.example.com/";

test("status, headers and body are the upstream's, and can be read in every way", async () => {
  const headers = { "content-type": "application/json", "x-a": "b, c" };
  const { fetch } = scene(() => ({ status: 201, headers, body: ['{"tea":', "340}"] }));
  const response = await fetch(SHOP);
  assert.ok(response instanceof Response);
  assert.deepEqual([response.status, response.ok, response.statusText], [201, true, ""]);
  assert.equal(response.headers.get("X-A"), "b, c");
  const copies = [response.clone(), response.clone(), response.clone()] as const;
  assert.deepEqual(await response.json(), { tea: 340 });
  assert.equal(await copies[0].text(), '{"tea":340}');
  assert.equal((await copies[1].arrayBuffer()).byteLength, 11);
  assert.equal((await copies[2].blob()).type, "application/json");
  assert.equal(response.bodyUsed, true);
  await assert.rejects(response.text(), TypeError);
});

test("forms are parsed", async () => {
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  const { fetch } = scene(() => ({ headers, body: "item=tea" }));
  assert.equal((await (await fetch(SHOP)).formData()).get("item"), "tea");
});

test("what only fetch can set is set, and a clone has it too", async () => {
  const { fetch } = scene();
  const response = await fetch(`${SHOP}prices?a=b#top`);
  for (const { url, type, redirected } of [response, response.clone(), response.clone().clone()]) {
    assert.deepEqual([url, type, redirected], [`${SHOP}prices?a=b`, "basic", false]);
  }
});

test("of another origin, the type is cors", async (t) => {
  Object.assign(globalThis, { location: new URL("https://page.example.com") }); // of a page, where there is none
  t.after(() => Reflect.deleteProperty(globalThis, "location"));
  const { fetch } = scene();
  assert.equal((await fetch(SHOP)).type, "cors");
  assert.equal((await fetch("https://page.example.com/a")).type, "basic");
});

test("HEAD and the statuses without a body have none", async () => {
  const { fetch } = scene(({ path }) => ({
    status: Number(path.slice(1)),
    headers: { "content-length": "7" },
  }));
  assert.equal((await fetch(`${SHOP}200`, { method: "HEAD" })).body, null);
  for (const status of [204, 205, 304]) {
    const response = await fetch(`${SHOP}${status}`);
    assert.deepEqual([response.status, response.body], [status, null]);
  }
});

test("a status that is none is the link's error, and the request may have run", async () => {
  const { fetch } = scene(() => ({ status: 101 }));
  await assert.rejects(fetch(SHOP), (error) => {
    return error instanceof LinkError && error.code === "bad-response" && error.outcomeUnknown;
  });
});

test("the body streams: it is asked for no more than its reader asks for", async () => {
  let given = 0;
  const body = async function* () {
    for (; given < 10;) yield await Promise.resolve(String(given++));
  };
  const { fetch } = scene(() => ({ body: body() }));
  const reader = (await fetch(SHOP)).body?.getReader();
  assert.equal(given, 0);
  const { value } = (await reader?.read()) ?? {};
  assert.deepEqual([Buffer.from(value ?? []).toString(), given], ["0", 1]);
});

test("the body can be read into a buffer of the reader's own", async () => {
  const { fetch } = scene(() => ({ body: ["te", "a"] }));
  const reader = (await fetch(SHOP)).body?.getReader({ mode: "byob" });
  const texts: string[] = [];
  for (let isDone = false; !isDone;) {
    const { done, value } = (await reader?.read(new Uint8Array(8))) ?? { done: true };
    texts.push(Buffer.from(value ?? []).toString());
    isDone = done;
  }
  assert.deepEqual(texts, ["te", "a", ""]);
});

test("a piece that is a part of a larger buffer leaves that buffer whole", async () => {
  const buffer = new TextEncoder().encode("tea and milk");
  const { fetch } = scene(() => ({ body: [buffer.subarray(0, 3), buffer.subarray(3)] }));
  assert.equal(await (await fetch(SHOP)).text(), "tea and milk");
  assert.equal(buffer.length, 12);
});

test("an answer that is cut ends in its own error, after what has opened", async () => {
  const cut = new LinkError("truncated", "the connection broke", { outcomeUnknown: true });
  const body = async function* () {
    yield await Promise.resolve("te");
    throw cut;
  };
  const { fetch } = scene(() => ({ body: body() }));
  const response = await fetch(SHOP);
  const reader = response.clone().body?.getReader();
  assert.equal(Buffer.from((await reader?.read())?.value ?? []).toString(), "te");
  await assert.rejects(async () => reader?.read(), cut);
  await assert.rejects(response.text(), cut);
});

for (const [name, encoding, ...packers] of [
  ["gzip", "gzip", gzip],
  ["x-gzip", "x-gzip", gzip],
  ["deflate", "deflate", deflate],
  ["deflate without zlib's header", "deflate", deflateRaw],
  ["one upon the other", "Deflate, GZIP", deflate, gzip],
] as const) {
  test(`content-encoding ${name} is undone`, async () => {
    const text = "tea ".repeat(10_000);
    let bytes = Buffer.from(text);
    for (const pack of packers) bytes = pack(bytes);
    const cut = [bytes.subarray(0, 1), bytes.subarray(1, 20), bytes.subarray(20)];
    const { fetch } = scene(() => ({ headers: { "content-encoding": encoding }, body: cut }));
    const response = await fetch(SHOP);
    assert.equal(await response.text(), text);
    assert.equal(response.headers.get("content-encoding"), encoding);
  });
}

test("a coding that was not asked for is left as it is", async () => {
  for (const encoding of ["br", "gzip, br", "identity", "constructor", ""]) {
    const { fetch } = scene(() => ({ headers: { "content-encoding": encoding }, body: "tea" }));
    assert.equal(await (await fetch(SHOP)).text(), "tea");
  }
});

test("an empty body is empty in every coding", async () => {
  const { fetch } = scene(() => ({ headers: { "content-encoding": "gzip" } }));
  assert.equal(await (await fetch(SHOP)).text(), "");
});

test("coded data that breaks off is never taken for all of it", async () => {
  const bytes = gzip("tea ".repeat(10_000));
  const { fetch } = scene(() => ({ headers: { "content-encoding": "gzip" }, body: [bytes.subarray(0, -9)] }));
  await assert.rejects((await fetch(SHOP)).text(), TypeError);
});

test("where the platform decodes nothing, nothing is asked for", async (t) => {
  const { DecompressionStream } = globalThis;
  Reflect.deleteProperty(globalThis, "DecompressionStream");
  t.after(() => Object.assign(globalThis, { DecompressionStream }));
  const { fetch, heard } = scene(() => ({ headers: { "content-encoding": "gzip" }, body: "tea" }));
  assert.equal(await (await fetch(SHOP)).text(), "tea");
  assert.deepEqual(heard[0]?.headers.at(-1), ["accept-encoding", "identity"]);
});

/** Of something else. */
const OTHER = "sha256-Yk9WCV+7BFJLLCA25nR7s9V6PjLAlzvQZzUw0xq5HV8=";

test("integrity: the body is there when all of it is, and right", async () => {
  const hash = async (bits: number) => {
    const digest = await crypto.subtle.digest(`SHA-${bits}`, new TextEncoder().encode("tea"));
    return `sha${bits}-${Buffer.from(digest).toString("base64")}`;
  };
  const { fetch } = scene(() => ({ body: ["t", "ea"] }));
  const right = [
    await hash(256),
    await hash(384),
    await hash(512),
    `${OTHER} ${await hash(384)}`,
    "md5-abc",
    "",
  ];
  for (const integrity of right) assert.equal(await (await fetch(SHOP, { integrity })).text(), "tea");
  for (const integrity of [OTHER, `${OTHER} ${OTHER}`, `${await hash(256)} ${OTHER.replace("256", "512")}`]) {
    await assert.rejects(fetch(SHOP, { integrity }), TypeError);
  }
});

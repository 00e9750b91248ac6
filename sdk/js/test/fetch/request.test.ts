/** A request, in whatever form `fetch` takes it, is the inner request that `fetch` would send. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { field, scene } from "./double.js";

const SHOP = "https://shop.example.com";

test("a URL alone is a GET", async () => {
  const { fetch: linkFetch, heard } = scene();
  const fetch: typeof globalThis.fetch = linkFetch; // in its place
  await fetch(`${SHOP}/prices?item=tea#top`);
  const [call] = heard;
  assert.equal(call?.method, "GET");
  assert.deepEqual(
    [call.scheme, call.authority, call.path],
    ["https", "shop.example.com", "/prices?item=tea"],
  );
  const headers = call.headers.filter(([name]) => name !== "accept-language"); // newer Nodes have one
  assert.deepEqual(headers, [
    ["accept", "*/*"],
    ["accept-encoding", "gzip, deflate"],
  ]);
  assert.equal(call.body, null);
});

for (const [given, sent] of [
  ["get", "GET"],
  ["post", "POST"],
  ["delete", "DELETE"],
  ["options", "OPTIONS"],
  ["patch", "patch"], // which is not normalized (Fetch, 2.2.1)
  ["PURGE", "PURGE"],
] as const) {
  test(`the method ${given} is sent as ${sent}`, async () => {
    const { fetch, heard } = scene();
    await fetch(SHOP, { method: given });
    assert.equal(heard[0]?.method, sent);
  });
}

test("URL objects, Requests and their init go together as with fetch", async () => {
  const { fetch, heard } = scene();
  const request = new Request(`${SHOP}/orders`, {
    method: "PUT",
    headers: { "x-a": "1", "x-b": "2" },
    body: "tea",
  });
  await fetch(new URL("/a", SHOP));
  await fetch(request.clone());
  await fetch(request, { method: "POST", headers: { "x-a": "3" }, body: "milk" });
  assert.equal(heard[0]?.path, "/a");
  assert.deepEqual([heard[1]?.method, field(heard[1], "x-b"), heard[1]?.text], ["PUT", "2", "tea"]);
  const [, , last] = heard;
  assert.deepEqual(
    [last?.method, field(last, "x-a"), field(last, "x-b"), last?.text],
    ["POST", "3", undefined, "milk"],
  );
});

test("the body of a Request is used up", async () => {
  const { fetch } = scene();
  const request = new Request(SHOP, { method: "POST", body: "tea" });
  await fetch(request);
  assert.equal(request.bodyUsed, true);
  await assert.rejects(fetch(request), TypeError);
});

test("relative URLs are relative to the base that was given", async () => {
  const { fetch, heard } = scene(undefined, `${SHOP}/app/`);
  await fetch("orders/7");
  await fetch("/prices");
  assert.deepEqual(
    heard.map(({ path }) => path),
    ["/app/orders/7", "/prices"],
  );
});

test("credentials: a page's cookies go to its own origin, unless it says otherwise", async (t) => {
  const { fetch, heard } = scene();
  Object.assign(globalThis, { location: new URL(SHOP) }); // of a page, where there is none
  t.after(() => Reflect.deleteProperty(globalThis, "location"));
  await fetch(SHOP);
  await fetch("https://other.example.com");
  await fetch("https://other.example.com", { credentials: "include" });
  await fetch(SHOP, { credentials: "omit" });
  assert.deepEqual(
    heard.map(({ credentials }) => credentials),
    ["include", "omit", "include", "omit"],
  );
});

test("a page of another origin is refused by mode: same-origin, and nothing is sent", async (t) => {
  const { fetch, heard } = scene();
  Object.assign(globalThis, { location: new URL("https://page.example.com") });
  t.after(() => Reflect.deleteProperty(globalThis, "location"));
  await assert.rejects(fetch(SHOP, { mode: "same-origin" }), TypeError);
  assert.equal(heard.length, 0);
});

test("cache modes are what the upstream's caches are told; there is none on the link", async () => {
  const { fetch, heard } = scene();
  for (const cache of ["default", "force-cache", "no-cache", "no-store", "reload"] as const)
    await fetch(SHOP, { cache });
  assert.deepEqual(
    heard.map((call) => field(call, "cache-control")),
    [undefined, undefined, "max-age=0", "no-cache", "no-cache"],
  );
  await assert.rejects(fetch(SHOP, { cache: "only-if-cached", mode: "same-origin" }), TypeError);
  assert.equal(heard.length, 5);
});

test("what is the exchange's own is made here, whatever the caller says", async () => {
  const { fetch, heard } = scene();
  const headers = { host: "elsewhere.example.com", "content-length": "7", "accept-encoding": "br" };
  await fetch(SHOP, { method: "POST", headers, body: "tea" });
  const [call] = heard;
  assert.equal(field(call, "host"), undefined);
  assert.equal(field(call, "content-length"), "3");
  assert.equal(field(call, "accept-encoding"), "gzip, deflate");
});

test("ranges are asked for without a coding, since a part of one can't be decoded", async () => {
  const { fetch, heard } = scene();
  await fetch(SHOP, { headers: { range: "bytes=0-9" } });
  assert.equal(field(heard[0], "accept-encoding"), "identity");
});

test("the user's languages are told, as a browser tells them", async (t) => {
  const languages = ["de-CH", "de", "en"];
  Object.defineProperty(globalThis, "navigator", { value: { languages }, configurable: true });
  t.after(() => Reflect.deleteProperty(globalThis, "navigator"));
  const { fetch, heard } = scene();
  await fetch(SHOP);
  await fetch(SHOP, { headers: { "accept-language": "fr" } });
  assert.equal(field(heard[0], "accept-language"), "de-CH,de;q=0.9,en;q=0.8");
  assert.equal(field(heard[1], "accept-language"), "fr");
});

test("what a call names beyond fetch goes to the link", async () => {
  const { fetch, heard } = scene();
  await fetch(SHOP, { method: "PUT", body: "tea", repeatable: true, timeoutMs: 0, keepalive: true });
  const { repeatable, timeoutMs, keepalive } = heard[0] ?? {};
  assert.deepEqual({ repeatable, timeoutMs, keepalive }, { repeatable: true, timeoutMs: 0, keepalive: true });
});

test("data: and blob: are in the page itself, and need no link", async () => {
  const { fetch, heard } = scene();
  const url = URL.createObjectURL(new Blob(["tea"]));
  assert.equal(await (await fetch(url)).text(), "tea");
  assert.equal(await (await fetch("data:text/plain,milk")).text(), "milk");
  assert.equal(heard.length, 0);
});

test("a page may put it in the place of fetch", async (t) => {
  const link = scene();
  t.mock.method(globalThis, "fetch", link.fetch);
  assert.equal((await fetch(SHOP)).status, 200);
  assert.equal(await (await fetch("data:text/plain,milk")).text(), "milk");
  assert.equal(link.heard.length, 1);
});

test("what fetch has no request for is a TypeError, and nothing is sent", async () => {
  const { fetch, heard } = scene();
  const refused: [string, RequestInit][] = [
    ["https://user:password@shop.example.com", {}],
    ["ftp://shop.example.com", {}],
    ["no url", {}],
    [SHOP, { method: "TRACE" }],
    [SHOP, { method: "CONNECT" }],
    [SHOP, { method: "a b" }],
    [SHOP, { method: "GET", body: "tea" }],
    [SHOP, { headers: { "x a": "b" } }],
    [SHOP, { headers: { "x-a": "b\nc" } }],
  ];
  for (const [url, init] of refused) await assert.rejects(fetch(url, init), TypeError, url);
  assert.equal(heard.length, 0);
});

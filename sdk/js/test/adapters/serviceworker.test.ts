/** A service worker answers what matches over the link, and leaves everything else to the browser. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { interceptor, type Matching } from "../../src/adapters/intercept.js";
import { linkServiceWorker } from "../../src/adapters/serviceworker.js";
import { scene } from "../fetch/double.js";

const SHOP = "https://shop.example.com";
const OWN = "https://gw.example.com/_link";

/** A double of a FetchEvent, of which Node has none: what it was answered, if it was. */
async function answered(matching: Matching, request: Request): Promise<string | undefined> {
  const { fetch } = scene(({ authority, path }) => ({ body: authority + path }));
  const given: Promise<Response>[] = [];
  const respondWith = (response: Promise<Response>) => void given.push(response);
  interceptor(fetch, matching, OWN)({ request, respondWith });
  return (await given[0])?.text();
}

test("what begins with a prefix goes over the link, and nothing else", async () => {
  const prefixes = [`${SHOP}/api/`, "https://static.example.com"];
  for (const url of [`${SHOP}/api/orders?a=b`, "https://static.example.com/logo.png"]) {
    assert.equal(await answered({ prefixes }, new Request(url)), url.replace("https://", ""));
  }
  for (const url of [
    `${SHOP}/`,
    `${SHOP}/apis`,
    "https://static.example.com.evil.example/",
    "http://shop.example.com/api/",
  ]) {
    assert.equal(await answered({ prefixes }, new Request(url)), undefined);
  }
});

test("a prefix may be a path of the worker's own origin", async (t) => {
  Object.assign(globalThis, { location: new URL(`${SHOP}/sw.js`) }); // of a worker, where there is none
  t.after(() => Reflect.deleteProperty(globalThis, "location"));
  assert.equal(
    await answered({ prefixes: ["/api/"] }, new Request(`${SHOP}/api/a`)),
    "shop.example.com/api/a",
  );
  assert.equal(
    await answered({ prefixes: ["/api/"] }, new Request("https://other.example.com/api/a")),
    undefined,
  );
});

test("match sees the URL and the request", async () => {
  const match = (url: URL, { method }: Request) => url.host === "shop.example.com" && method === "POST";
  assert.equal(
    await answered({ match }, new Request(SHOP, { method: "POST", body: "tea" })),
    "shop.example.com/",
  );
  assert.equal(await answered({ match }, new Request(SHOP)), undefined);
});

test("navigations are left alone", async () => {
  const request = new Request(SHOP);
  Object.defineProperty(request, "mode", { value: "navigate" }); // which only browsers can say
  assert.equal(await answered({ prefixes: [SHOP] }, request), undefined);
});

test("what a page sends over a link of its own is not sealed twice", async () => {
  const prefixes = ["https://gw.example.com/"];
  for (const url of [OWN, `${OWN}/keys`, `${OWN}/stream`]) {
    assert.equal(await answered({ prefixes }, new Request(url)), undefined);
  }
  assert.ok(await answered({ prefixes }, new Request("https://gw.example.com/_linked")));
});

test("a failure is the page's failure: nothing falls back to plain", async () => {
  const { fetch } = scene(() => Promise.reject(new TypeError("offline")));
  const given: Promise<Response>[] = [];
  const respondWith = (response: Promise<Response>) => void given.push(response);
  interceptor(fetch, { prefixes: [SHOP] }, OWN)({ request: new Request(SHOP), respondWith });
  await assert.rejects(async () => given[0], { message: "offline" });
});

test("options that match nothing are refused", () => {
  const options = { gateway: "https://gw.example.com", roots: [] };
  assert.throws(() => interceptor(scene().fetch, {}, OWN), TypeError);
  assert.throws(() => linkServiceWorker({ ...options, prefixes: ["/api/"] }), TypeError); // nor trust any
});

/** Inner redirects go as `redirect` says (Fetch, 4.4); the outer exchange knows none. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { LinkError } from "../../src/errors.js";
import { field, scene, type Answer, type Scene } from "./double.js";

const SHOP = "https://shop.example.com";

/** Answers the first call with a redirect, and all others with 200. */
function redirecting(status: number, location: string): Scene {
  return scene((_, at) => (at === 0 ? { status, headers: { location }, body: "moved" } : { body: "there" }));
}

for (const [status, method, then, body] of [
  [301, "GET", "GET", ""],
  [302, "GET", "GET", ""],
  [303, "GET", "GET", ""],
  [307, "GET", "GET", ""],
  [308, "GET", "GET", ""],
  [301, "POST", "GET", ""],
  [302, "POST", "GET", ""],
  [303, "POST", "GET", ""],
  [307, "POST", "POST", "tea"],
  [308, "POST", "POST", "tea"],
  [301, "PUT", "PUT", "tea"],
  [302, "PUT", "PUT", "tea"],
  [303, "PUT", "GET", ""],
  [303, "HEAD", "HEAD", ""],
] as const) {
  test(`${method}, answered ${status}, goes on as ${then}`, async () => {
    const { fetch, heard } = redirecting(status, "/there");
    const init = method === "GET" || method === "HEAD" ? {} : { body: "tea" };
    const response = await fetch(`${SHOP}/here`, { method, headers: { "content-language": "en" }, ...init });
    const [, second] = heard;
    assert.deepEqual([second?.method, second?.path, second?.text], [then, "/there", body]);
    const ofBody = ["content-type", "content-length", "content-language"].map((name) => field(second, name));
    if (body === "" && method !== then) assert.deepEqual(ofBody, [undefined, undefined, undefined]);
    if (body !== "") assert.deepEqual(ofBody, ["text/plain;charset=UTF-8", "3", "en"]);
    assert.deepEqual([response.url, response.redirected], [`${SHOP}/there`, true]);
  });
}

test("a location is relative to where it was said, and the fragment is kept", async () => {
  const { fetch, heard } = redirecting(302, "../b?c=d");
  const response = await fetch(`${SHOP}/x/y/a#top`);
  assert.equal(heard[1]?.path, "/x/b?c=d");
  assert.equal(response.url, `${SHOP}/x/b?c=d`);
});

test("a location with bytes that no URL has is asked for with those bytes", async () => {
  for (const [location, path] of [
    ["/t\u00e9", "/t%E9"],
    [Buffer.from("/Tée?€").toString("latin1"), "/T%C3%A9e?%E2%82%AC"],
  ] as const) {
    const { fetch, heard } = redirecting(302, location);
    await fetch(SHOP);
    assert.equal(heard[1]?.path, path);
  }
});

test("without a location, it is an answer like any other", async () => {
  const { fetch } = scene(() => ({ status: 302, body: "nowhere" }));
  const response = await fetch(SHOP);
  assert.deepEqual([response.status, response.redirected, await response.text()], [302, false, "nowhere"]);
});

test("304 and 300 are no redirects", async () => {
  for (const status of [300, 304]) {
    const { fetch, heard } = scene(() => ({ status, headers: { location: "/there" } }));
    assert.equal((await fetch(SHOP)).status, status);
    assert.equal(heard.length, 1);
  }
});

test("20 redirects are followed, and one more is not", async () => {
  const turning =
    (turns: number) =>
    (_: unknown, at: number): Answer => {
      return at < turns ? { status: 307, headers: { location: `/${at}` } } : {};
    };
  const enough = scene(turning(20));
  assert.equal((await enough.fetch(SHOP)).url, `${SHOP}/19`);
  const tooMany = scene(turning(21));
  await assert.rejects(tooMany.fetch(SHOP), TypeError);
  assert.equal(tooMany.heard.length, 21);
});

test("what proves who one is stays with the origin that it was for", async () => {
  const headers = { authorization: "Bearer t", "x-a": "b" };
  const elsewhere = redirecting(307, "https://other.example.com/");
  await elsewhere.fetch(SHOP, { headers });
  assert.deepEqual(
    [field(elsewhere.heard[1], "authorization"), field(elsewhere.heard[1], "x-a")],
    [undefined, "b"],
  );
  const here = redirecting(307, "/there");
  await here.fetch(SHOP, { headers });
  assert.equal(field(here.heard[1], "authorization"), "Bearer t");
});

test("an answer that came by way of another origin counts as one of it", async (t) => {
  Object.assign(globalThis, { location: new URL(SHOP) }); // of a page, where there is none
  t.after(() => Reflect.deleteProperty(globalThis, "location"));
  const { fetch, heard } = scene((_, at): Answer => {
    const location = ["https://other.example.com/", `${SHOP}/back`][at];
    return location ? { status: 307, headers: { location } } : {};
  });
  assert.equal((await fetch(SHOP)).type, "cors");
  assert.deepEqual(
    heard.map(({ credentials }) => credentials),
    ["include", "omit", "omit"],
  );
  const strict = redirecting(307, "https://other.example.com/");
  await assert.rejects(strict.fetch(SHOP, { mode: "same-origin" }), TypeError);
  assert.equal(strict.heard.length, 1);
});

for (const location of [
  "ftp://shop.example.com/",
  "data:,tea",
  "https://user@other.example.com/",
  "https://[",
]) {
  test(`a redirect to ${location} is a failure`, async () => {
    const { fetch, heard } = redirecting(302, location);
    await assert.rejects(fetch(SHOP), TypeError);
    assert.equal(heard.length, 1);
  });
}

test("a stream can't be sent again, and is not needed for 303", async () => {
  const init = () => ({ method: "POST", body: new Blob(["tea"]).stream(), duplex: "half" as const });
  for (const status of [301, 302, 307, 308]) {
    await assert.rejects(redirecting(status, "/there").fetch(SHOP, init()), TypeError);
  }
  assert.equal((await redirecting(303, "/there").fetch(SHOP, init())).redirected, true);
});

test("redirect: error fails, with or without a location", async () => {
  for (const answer of [{ status: 302, headers: { location: "/there" } }, { status: 302 }]) {
    const { fetch, heard } = scene(() => answer);
    await assert.rejects(fetch(SHOP, { redirect: "error" }), TypeError);
    assert.equal(heard.length, 1);
  }
});

test("redirect: manual says that there was one, and nothing of it", async () => {
  const { fetch, heard } = redirecting(302, "/there");
  const response = await fetch(`${SHOP}/here`, { redirect: "manual" });
  const { type, status, ok, url, redirected, body } = response;
  assert.deepEqual(
    { type, status, ok, url, redirected, body },
    {
      ...{ type: "opaqueredirect", status: 0, ok: false, url: `${SHOP}/here`, redirected: false, body: null },
    },
  );
  assert.deepEqual([...response.headers], []);
  assert.equal(heard.length, 1);
});

test("what a redirected request fails with does not deny that it has run", async () => {
  const failing = (at: number): Promise<Answer> =>
    at === 1
      ? Promise.reject(new LinkError("not-permitted", "refused"))
      : Promise.resolve({ status: 303, headers: { location: "/orders/1" } });
  const { fetch } = scene((_, at) => failing(at));
  const expected = { code: "not-permitted", outcomeUnknown: true };
  await assert.rejects(fetch(SHOP, { method: "POST", body: "tea" }), expected);
});

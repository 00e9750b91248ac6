/** The link's own cookies: RFC 6265 for one host, within bounds, and over restarts of the mini program. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Jar } from "../../src/wechat/jar.js";

const GATEWAY = "https://gw.example.com";
const DAY = 86_400;

/** A device with one mini program on it; `start` is what a restart does. */
function device() {
  const texts = new Map<string, string>();
  const state = { now: Date.UTC(2026, 5, 1) };
  const storage = {
    get: (key: string) => texts.get(key),
    set: (key: string, text: string) => texts.set(key, text),
    remove: (key: string) => texts.delete(key),
  };
  return { texts, state, start: (gateway = GATEWAY) => new Jar(storage, gateway, () => state.now) };
}

test("a cookie goes back to its path and below, and to no other", () => {
  const jar = device().start();
  jar.keep(
    ["a=1; Path=/_link; Secure; HttpOnly", "b=2; Path=/", "c=3", "d=4; Path=/_linked"],
    "/_link/stream",
  );
  assert.equal(jar.header("/_link"), "a=1; b=2; c=3");
  assert.equal(jar.header("/_link/stream"), "a=1; b=2; c=3");
  assert.equal(jar.header("/elsewhere"), "b=2");
});

test("the same name and path is one cookie, the last; and a deletion ends it", () => {
  const jar = device().start();
  jar.keep(["a=1; Path=/", "a=2; Path=/x"], "/");
  jar.keep(["a=3; Path=/", "b=x=y; Path=/"], "/");
  assert.equal(jar.header("/x"), "a=2; a=3; b=x=y");
  jar.keep(["a=; Path=/; Max-Age=0", "b=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], "/");
  assert.equal(jar.header("/x"), "a=2");
});

test("max-age comes before expires, and what has expired does not go", () => {
  const { state, start } = device();
  const jar = start();
  jar.keep([`a=1; Max-Age=${2 * DAY}; Expires=Thu, 01 Jan 1970 00:00:00 GMT`], "/_link");
  jar.keep(["b=2; Expires=Tue, 02 Jun 2026 00:00:00 GMT", "c=3; Max-Age=soon"], "/_link");
  assert.equal(jar.header("/_link"), "a=1; b=2; c=3");
  state.now += 1.5 * DAY * 1000;
  assert.equal(jar.header("/_link"), "a=1; c=3");
});

test("a restart keeps what has an expiry; session cookies end with the mini program", () => {
  const { start, texts } = device();
  start().keep(["a=1; Max-Age=60; Path=/", "b=2; Path=/"], "/");
  assert.equal(start().header("/"), "a=1");
  assert.equal(start("https://other.example.com").header("/"), "");
  start().clear();
  assert.equal(start().header("/"), "");
  assert.equal(texts.size, 0);
});

test("Secure cookies stay away from plain http off the device", () => {
  const { start } = device();
  for (const [gateway, expected] of [
    ["http://gw.example.com", "b=2"],
    ["http://localhost:8080", "a=1; b=2"],
    ["http://127.0.0.1:8080", "a=1; b=2"],
    ["http://localhost.example.com", "b=2"],
  ] as const) {
    const jar = start(gateway);
    jar.keep(["a=1; secure", "b=2; Path=/"], "/");
    assert.equal(jar.header("/"), expected, gateway);
  }
});

test("storage with anything else in it counts as empty", () => {
  const { start, texts } = device();
  start().keep(["a=1; Max-Age=60"], "/");
  const [key = ""] = texts.keys();
  for (const text of [
    "",
    "{",
    "{}",
    "[1]",
    '[{"name":"a"}]',
    '[{"name":"a","value":"1","path":"/"}]',
    '[{"name":"a","value":"1\\r\\nx-risk: 0","path":"/","expiresAt":9e15}]',
    '[{"name":"a","value":"1; b=2","path":"/","expiresAt":9e15}]',
    '[{"name":"a=1; b","value":"2","path":"/","expiresAt":9e15}]',
    '[{"name":"","value":"2","path":"/","expiresAt":9e15}]',
    "null",
  ]) {
    texts.set(key, text);
    assert.equal(start().header("/"), "", text);
  }
});

test("what storage has counts against the bounds as well", () => {
  const { start, texts } = device();
  start().keep(["a=1; Max-Age=60"], "/");
  const [key = ""] = texts.keys();
  const cookie = { value: "x".repeat(500), path: "/", expiresAt: Number.MAX_SAFE_INTEGER };
  texts.set(key, JSON.stringify(Array.from({ length: 500 }, (_, at) => ({ ...cookie, name: `n${at}` }))));
  assert.equal(start().header("/").split("; ").length, 50);
});

test("storage that can't be read is as empty; that it can't be emptied is told", () => {
  const locked = (): never => {
    throw new Error("getStorageSync:fail");
  };
  const jar = new Jar({ get: locked, set: () => undefined, remove: locked }, GATEWAY, () => 0);
  jar.keep(["a=1; Max-Age=60"], "/");
  assert.equal(jar.header("/"), "a=1");
  assert.throws(() => {
    jar.clear();
  }, /getStorageSync:fail/);
  assert.equal(jar.header("/"), "");
});

test("storage that is full costs no request", () => {
  const full = (): never => {
    throw new Error("setStorageSync:fail exceed storage limit");
  };
  const jar = new Jar({ get: () => undefined, set: full, remove: full }, GATEWAY, () => 0);
  jar.keep(["a=1; Max-Age=60"], "/");
  assert.equal(jar.header("/"), "a=1");
  jar.keep(["a=; Max-Age=0"], "/");
  assert.equal(jar.header("/"), "");
});

test("whoever adds cookies on the way can fill neither the memory nor the header", () => {
  const jar = device().start();
  for (let count = 0; count < 500; count += 1) jar.keep([`n${count}=${"x".repeat(500)}; Max-Age=60`], "/");
  const names = jar.header("/").split("; ");
  assert.equal(names.length, 50);
  assert.match(names.at(-1) ?? "", /^n499=/);
  for (let count = 0; count < 50; count += 1) jar.keep([`m${count}=${"x".repeat(4000)}; Max-Age=60`], "/");
  assert.ok(jar.header("/").length <= 33 * 1024);
  const before = jar.header("/");
  jar.keep(
    [`a=${"x".repeat(4096)}`, `b=1; Path=/${"x".repeat(1024)}`, "c=☕", "d=1\r\nX: y", "=e", "f", ""],
    "/",
  );
  assert.equal(jar.header("/"), before);
});

/** Options. Invariant: those that make no sense are a TypeError that says what was expected. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { configure } from "../../src/link/options.js";
import type { LinkOptions } from "../../src/link/options.js";
import { memoryStore } from "../../src/link/store.js";
import { Clock } from "./clock.js";
import { Gateway } from "./gateway.js";

const ROOT = `ed25519:${"A".repeat(43)}`;
const X25519 = `x25519:${"A".repeat(43)}`;
const clock = new Clock();
const platform = clock.platform(new Gateway(clock), memoryStore());

const configured = (options: Partial<LinkOptions>): ReturnType<typeof configure> =>
  configure(
    { gateway: "https://gw.example.com", ...(options.keys ? {} : { roots: [ROOT] }), ...options },
    platform,
  );

for (const [gateway, link] of [
  ["https://gw.example.com", "https://gw.example.com"],
  ["https://gw.example.com/", "https://gw.example.com"],
  ["HTTPS://GW.Example.com:443", "https://gw.example.com"],
  ["https://gw.example.com:8443", "https://gw.example.com:8443"],
  ["http://localhost:8080", "http://localhost:8080"],
  ["http://gw.localhost", "http://gw.localhost"],
  ["http://127.0.0.1:80/", "http://127.0.0.1"],
  ["http://[::1]:8080", "http://[::1]:8080"],
] as const) {
  test(`a gateway: ${gateway}`, () => {
    assert.equal(configured({ gateway }).link, link);
  });
}

test("what JavaScript lets through has the same answer", () => {
  const wrong = (options: object): LinkOptions =>
    Object.assign({ gateway: "https://gw.example.com", roots: [ROOT] }, options);
  for (const [options, reason] of [
    [{ gateway: undefined }, /a gateway such as "https:\/\/gw.example.com", not undefined/],
    [{ roots: ROOT }, /a list of root keys/],
    [{ roots: [undefined] }, /a list of root keys/],
    [{ roots: undefined, keys: X25519 }, /a list of gateway keys/],
  ] as const) {
    assert.throws(() => configure(wrong(options), platform), { name: "TypeError", message: reason });
  }
  const { link } = configure(wrong({ gateway: new URL("https://gw.example.com") }), platform);
  assert.equal(link, "https://gw.example.com");
});

test("http off loopback only if it is allowed", () => {
  const gateway = "http://gw.example.com";
  assert.throws(() => configured({ gateway }), /insecureHttp/);
  assert.equal(configured({ gateway, insecureHttp: true }).link, gateway);
});

const refused: Record<string, [Partial<LinkOptions>, RegExp]> = {
  "a path": [{ gateway: "https://gw.example.com/a" }, /a gateway such as/],
  "a user": [{ gateway: "https://ada@gw.example.com" }, /a gateway such as/],
  "a query": [{ gateway: "https://gw.example.com?a" }, /a gateway such as/],
  "no scheme": [{ gateway: "gw.example.com" }, /a gateway such as/],
  "white space": [{ gateway: "https://gw.example.com " }, /a gateway such as/],
  "no roots": [{ roots: [] }, /roots to trust, or gateway keys/],
  "roots and keys": [{ roots: [ROOT], keys: [X25519] }, /roots to trust, or gateway keys/],
  "no root key": [{ roots: ["ed25519:AAAA"] }, /a root key such as/],
  "no gateway key": [{ keys: ["rsa:AAAA"] }, /a gateway key such as/],
  "a directory beside keys": [{ keys: [X25519], directory: new Uint8Array(1) }, /no directory beside/],
  "no hybrid key": [{ keys: [X25519], requirePq: true }, /an X-Wing key/],
  "a binding": [{ cookieBinding: new Uint8Array(31) }, /32 bytes/],
  "another path": [{ path: "_link" }, /a path such as/],
  "a time": [{ timeoutMs: -1 }, /milliseconds/],
  "no number": [{ timeoutMs: NaN }, /milliseconds/],
  "many tags": [
    { client: { tags: Object.fromEntries([...Array(17).keys()].map((at) => [at, ""])) } },
    /16 tags/,
  ],
  "a long tag": [{ client: { tags: { a: "b".repeat(65) } } }, /16 tags/],
};

for (const [name, [options, reason]] of Object.entries(refused)) {
  test(`refused: ${name}`, () => {
    assert.throws(
      () => configured(options),
      (error) => error instanceof TypeError && reason.test(error.message),
    );
  });
}

test("the version that it tells is the package's", () => {
  const file = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  const { version } = JSON.parse(file) as { version: string };
  assert.equal(configured({}).client.sdk, `js/${version}`);
});

/**
 * Cryptography by the platform: what it seals opens by another hand, no key of it can be read, and what a platform
 * lacks comes from elsewhere, with the same results.
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from "@hpke/core";
import { XWing } from "@hpke/hybridkem-x-wing";

import { concat, latin1 } from "../../src/bytes.js";
import { X25519, XWING } from "../../src/crypto/seam.js";
import type { Crypto, Kem } from "../../src/crypto/seam.js";
import { webCrypto } from "../../src/crypto/webcrypto.js";
import type { WebPlatform } from "../../src/crypto/webcrypto.js";
import { Json } from "../vectors/reading.js";
import { runVectors } from "../vectors/run.js";

const VECTORS = new URL("../../../../tests/vectors/", import.meta.url);
const INFO = latin1("privatelink/1 secret");
const platform = globalThis.crypto;

function load(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`${name}.json`, VECTORS), "utf8"));
}

function keyPair(id: string): { publicKey: Uint8Array; privateKey: Uint8Array } {
  const found = new Json(load("key-ids"), "key-ids")
    .get("vectors")
    .list.find((each) => each.get("id").text === id);
  const inputs = found?.get("inputs");
  assert.ok(inputs);
  const privateKey = inputs.get(id.startsWith("xwing") ? "xwing_seed" : "x25519_private_key").bytes;
  return { publicKey: inputs.get("public_key").bytes, privateKey };
}

/** What @hpke/core opens with the private key. */
async function opened(kem: Kem, privateKey: Uint8Array, sealed: Uint8Array): Promise<Uint8Array> {
  const theirs = kem === XWING ? new XWing() : new DhkemX25519HkdfSha256();
  const suite = new CipherSuite({ kem: theirs, kdf: new HkdfSha256(), aead: new Aes256Gcm() });
  const recipientKey = await theirs.importKey("raw", new Uint8Array(privateKey).buffer, false);
  const enc = sealed.slice(0, theirs.encSize);
  return new Uint8Array(await suite.open({ recipientKey, enc, info: INFO }, sealed.slice(theirs.encSize)));
}

/** A double of a platform whose WebCrypto lacks these algorithms, as browsers of some years ago do. */
function without(...names: string[]): WebPlatform {
  const { subtle } = platform;
  const refused = (name: unknown): boolean => typeof name === "string" && names.includes(name);
  const lacking = new Proxy(subtle, {
    get: (_, method) => {
      const found: unknown = Reflect.get(subtle, method);
      if (typeof found !== "function") return found;
      return (...call: unknown[]): unknown =>
        call.some(refused)
          ? Promise.reject(new DOMException("no", "NotSupportedError"))
          : found.apply(subtle, call);
    },
  });
  return { subtle: lacking, getRandomValues: (array) => platform.getRandomValues(array) };
}

const PLATFORMS: Readonly<Record<string, WebPlatform>> = {
  "all of WebCrypto": platform,
  "no curves": without("X25519", "Ed25519"),
  "no WebCrypto": { getRandomValues: (array) => platform.getRandomValues(array) },
};

for (const [name, each] of Object.entries(PLATFORMS)) {
  const crypto: Crypto = webCrypto(each);

  for (const [id, kem] of [
    ["x25519-a", X25519],
    ["xwing-a", XWING],
  ] as const) {
    test(`what is sealed to ${id} opens by another hand: ${name}`, async () => {
      const { publicKey, privateKey } = keyPair(id);
      const sealed = await crypto.sealBase(kem, publicKey, INFO, latin1("a secret"));
      assert.deepEqual(await opened(kem, privateKey, sealed), latin1("a secret"));
      const again = await crypto.sealBase(kem, publicKey, INFO, latin1("a secret"));
      assert.notDeepEqual(again, sealed);
    });
  }

  test(`a point of low order is refused: ${name}`, async () => {
    await assert.rejects(crypto.sealBase(X25519, new Uint8Array(32), INFO, latin1("a secret")));
  });

  test(`Ed25519 as RFC 8032 has it: ${name}`, async () => {
    for (const vector of new Json(load("rfc/rfc8032"), "rfc8032").get("vectors").list) {
      const [key, signature, message] = ["public_key", "signature", "message"].map(
        (part) => vector.get(part).bytes,
      );
      assert.ok(key && signature && message);
      assert.equal(await crypto.verify(key, signature, message), true);
      assert.equal(await crypto.verify(key, signature, concat(message, latin1("."))), false);
      assert.equal(await crypto.verify(key, signature.slice(1), message), false);
      assert.equal(await crypto.verify(key.slice(1), signature, message), false);
    }
  });

  test(`the vectors of messages and of the directory: ${name}`, async () => {
    const topics = Object.fromEntries(
      ["link-key", "segments", "directory"].map((topic) => [topic, load(topic)]),
    );
    assert.deepEqual((await runVectors(crypto, topics)).failures, []);
  });
}

test("no key can be read", async () => {
  const extractable: unknown[] = [];
  const watched = new Proxy(platform.subtle, {
    get: (subtle, method) => {
      const found: unknown = Reflect.get(subtle, method);
      if (typeof found !== "function") return found;
      return (...call: unknown[]): unknown => {
        if (method === "importKey") extractable.push(call[3]);
        if (method === "generateKey") extractable.push(call[1]);
        return found.apply(subtle, call);
      };
    },
  });
  const crypto = webCrypto({ subtle: watched, getRandomValues: (array) => platform.getRandomValues(array) });
  const hkdf = await crypto.hkdf(await crypto.random(32));
  const aead = await crypto.aead(await hkdf.derive(new Uint8Array(), INFO, 32));
  await aead.seal(new Uint8Array(12), new Uint8Array(), INFO);
  await crypto.verify(new Uint8Array(32), new Uint8Array(64), INFO);
  assert.deepEqual(extractable, [false, false, false, false]);
  assert.equal(JSON.stringify([hkdf, aead]), "[{},{}]");
});

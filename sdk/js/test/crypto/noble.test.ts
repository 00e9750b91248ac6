/** Cryptography without WebCrypto, held to Node's WebCrypto, to @hpke/core, and to other people's vectors. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from "@hpke/core";
import { XWing } from "@hpke/hybridkem-x-wing";
import { type Kem, X25519, XWING } from "../../src/crypto/seam.js";
import { nobleCrypto } from "../../src/crypto/noble.js";

const crypto = nobleCrypto((length) =>
  Promise.resolve(globalThis.crypto.getRandomValues(new Uint8Array(length))),
);

type Vector = Record<string, string>;

function vectors(topic: string): Vector[] {
  const file = new URL(`../../../../tests/vectors/rfc/${topic}.json`, import.meta.url);
  const parsed: unknown = JSON.parse(readFileSync(file, "utf8"));
  assertIsFile(parsed);
  return parsed.vectors;
}

function assertIsFile(it: unknown): asserts it is { vectors: Vector[] } {
  assert.ok(typeof it === "object" && it !== null && "vectors" in it);
}

function bytes(vector: Vector, name: string): Uint8Array<ArrayBuffer> {
  const hex = vector[name];
  assert.ok(hex !== undefined, name);
  return Uint8Array.from(Buffer.from(hex, "hex"));
}

const text = (it: string): Uint8Array<ArrayBuffer> => Uint8Array.from(Buffer.from(it));

/** What @hpke/core opens with the private key, by Node's WebCrypto. */
async function opened(
  kem: Kem,
  privateKey: Uint8Array,
  info: Uint8Array,
  sealed: Uint8Array,
): Promise<Buffer> {
  const made = kem === XWING ? new XWing() : new DhkemX25519HkdfSha256();
  const suite = new CipherSuite({ kem: made, kdf: new HkdfSha256(), aead: new Aes256Gcm() });
  const recipientKey = await suite.kem.importKey("raw", Uint8Array.from(privateKey).buffer, false);
  const enc = sealed.slice(0, made.encSize);
  return Buffer.from(await suite.open({ recipientKey, enc, info: info.slice() }, sealed.slice(made.encSize)));
}

for (const [topic, kem, secret, key] of [
  ["rfc9180", X25519, "skRm", "pkRm"],
  ["xwing", XWING, "seed", "public_key"],
] as const) {
  test(`what is sealed to the key of ${topic} opens by another implementation`, async () => {
    for (const vector of vectors(topic)) {
      const info = text("privatelink/1 secret");
      const sealed = await crypto.sealBase(kem, bytes(vector, key), info, text("the link secret"));
      assert.equal(String(await opened(kem, bytes(vector, secret), info, sealed)), "the link secret");
      await assert.rejects(opened(kem, bytes(vector, secret), text("another info"), sealed));
    }
  });
}

test("two sealings of one plaintext have nothing in common", async () => {
  const key = bytes(vectors("rfc9180")[0] ?? {}, "pkRm");
  const [one, other] = await Promise.all(
    [1, 2].map(() => crypto.sealBase(X25519, key, text(""), text("secret"))),
  );
  assert.notDeepEqual(one?.subarray(0, 32), other?.subarray(0, 32));
  assert.notDeepEqual(one?.subarray(32), other?.subarray(32));
});

test("a point of low order, and a key of another length, is refused", async () => {
  for (const publicKey of [new Uint8Array(32), new Uint8Array(31), new Uint8Array(0)]) {
    await assert.rejects(crypto.sealBase(X25519, publicKey, text(""), text("secret")));
  }
  const xWing = bytes(vectors("xwing")[0] ?? {}, "public_key");
  await assert.rejects(crypto.sealBase(XWING, xWing.subarray(1), text(""), text("secret")));
  await assert.rejects(crypto.sealBase(XWING, xWing.fill(0xff, 0, 1184), text(""), text("secret")));
});

test("HKDF as in RFC 5869", async () => {
  const hkdf = await crypto.hkdf(new Uint8Array(22).fill(0x0b));
  const salt = Uint8Array.from({ length: 13 }, (_, at) => at);
  const info = Uint8Array.from({ length: 10 }, (_, at) => 0xf0 + at);
  const okm = await hkdf.derive(salt, info, 42);
  assert.equal(Buffer.from(okm).toString("hex").slice(0, 16), "3cb25f25faacd57a");
});

test("Ed25519 as in RFC 8032; and false for whatever is malformed", async () => {
  for (const vector of vectors("rfc8032")) {
    const [key, signature, message] = [
      bytes(vector, "public_key"),
      bytes(vector, "signature"),
      bytes(vector, "message"),
    ];
    assert.equal(await crypto.verify(key, signature, message), true);
    assert.equal(await crypto.verify(key, signature, Buffer.concat([message, text("!")])), false);
    assert.equal(await crypto.verify(key, signature.subarray(1), message), false);
    assert.equal(await crypto.verify(key.fill(0xff), signature, message), false);
  }
});

test("a key that the caller has zeroed goes on working, and what is forged does not open", async () => {
  const key = new Uint8Array(32).fill(7);
  const aead = await crypto.aead(key);
  key.fill(0);
  const [nonce, aad, nothing] = [new Uint8Array(12), text("final"), new Uint8Array(0)];
  const sealed = await aead.seal(nonce, aad, text("tea"));
  const webcrypto = await globalThis.crypto.subtle.importKey(
    "raw",
    new Uint8Array(32).fill(7),
    "AES-GCM",
    false,
    ["decrypt"],
  );
  const parameters = { name: "AES-GCM", iv: nonce, additionalData: aad };
  assert.equal(
    String(Buffer.from(await globalThis.crypto.subtle.decrypt(parameters, webcrypto, sealed))),
    "tea",
  );
  assert.equal(String(Buffer.from((await aead.open(nonce, aad, sealed)) ?? [])), "tea");
  assert.equal(await aead.open(nonce, nothing, sealed), undefined);
  assert.equal(await aead.open(nonce, aad, sealed.subarray(1)), undefined);
  assert.equal(await aead.open(nonce, aad, nothing), undefined);
});

/** The link secret: the gateway's key leads to the same link key, and no raw copy of a secret outlives its use. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { fromUtf8, latin1, utf8 } from "../../src/bytes.js";
import { nobleCrypto } from "../../src/crypto/noble.js";
import type { Crypto } from "../../src/crypto/seam.js";
import { webCrypto } from "../../src/crypto/webcrypto.js";
import { sealRequest } from "../../src/wire/envelope.js";
import * as pb from "../../src/wire/gen/privatelink.js";
import { publicKey } from "../../src/wire/keys.js";
import type { PublicKey } from "../../src/wire/keys.js";
import { LinkSecret } from "../../src/wire/secret.js";
import { requestCipher, responseCipher } from "../../src/wire/segments.js";
import { Json } from "../vectors/reading.js";
import { REQUEST, decapsulated, innerResponse } from "./sealed.js";

const platform = webCrypto();
const noble = nobleCrypto((length) => platform.random(length));
const KEY_IDS = new URL("../../../../tests/vectors/key-ids.json", import.meta.url);

function gatewayKey(id: string): { key: PublicKey; privateKey: Uint8Array } {
  const document = new Json(JSON.parse(readFileSync(KEY_IDS, "utf8")), "key-ids");
  const inputs = document
    .get("vectors")
    .list.find((vector) => vector.get("id").text === id)
    ?.get("inputs");
  assert.ok(inputs);
  const privateKey = inputs.get(id.startsWith("xwing") ? "xwing_seed" : "x25519_private_key").bytes;
  return { key: publicKey(inputs.get("kem_id").number, inputs.get("public_key").bytes), privateKey };
}

for (const [name, crypto] of Object.entries({ WebCrypto: platform, noble })) {
  for (const id of ["x25519-a", "xwing-a"]) {
    test(`a request opens with the gateway's ${id}, and its answer with the opener: ${name}`, async () => {
      const { key, privateKey } = gatewayKey(id);
      const secret = await LinkSecret.draw(crypto, key);
      const nonce = await crypto.random(16);
      const { body, opener } = await sealRequest(
        secret,
        { ...REQUEST, body: utf8("milk") },
        { nonce, padding: "padme" },
      );

      const linkKey = await decapsulated(platform, key.kem, privateKey, secret);
      const sealed = pb.SealedRequest.decode(body);
      const plaintext = await (
        await requestCipher(linkKey, "whole", sealed.nonce)
      ).open(0, sealed.ciphertext, true);
      assert.equal(fromUtf8(pb.InnerRequest.decode(plaintext).body), "milk");

      const cipher = await responseCipher(linkKey, "whole", nonce, nonce);
      const ciphertext = await cipher.seal(0, innerResponse({ status: 201, body: utf8("taken") }), true);
      const answer = await opener.open(pb.SealedResponse.encode({ nonce, ciphertext }).finish());
      assert.deepEqual([answer.status, fromUtf8(answer.body)], [201, "taken"]);
    });
  }

  test(`two secrets to one key are two: ${name}`, async () => {
    const { key } = gatewayKey("x25519-a");
    const [one, other] = [await LinkSecret.draw(crypto, key), await LinkSecret.draw(crypto, key)];
    assert.deepEqual(one.keyId, other.keyId);
    assert.notDeepEqual(one.encapsulation, other.encapsulation);
  });
}

/** A double of a platform that keeps all key material that it has handed out, or been handed. */
function remembering(seen: Uint8Array[]): Crypto {
  return {
    ...platform,
    random: async (length) => keep(await platform.random(length)),
    hkdf: async (ikm) => {
      const hkdf = await platform.hkdf(keep(ikm));
      return { derive: async (...call) => keep(await hkdf.derive(...call)) };
    },
    aead: (key) => platform.aead(keep(key)),
  };

  function keep<B extends Uint8Array>(bytes: B): B {
    seen.push(bytes);
    return bytes;
  }
}

test("raw secrets are zeroed once they have been used", async () => {
  const seen: Uint8Array[] = [];
  const secret = await LinkSecret.draw(remembering(seen), gatewayKey("x25519-a").key);
  await sealRequest(secret, REQUEST, { nonce: new Uint8Array(16) });
  assert.deepEqual(
    seen.map(({ length }) => length),
    [32, 32, 32, 32, 44, 32],
  );
  assert.deepEqual(
    seen.map((bytes) => bytes.every((byte) => byte === 0)),
    seen.map(() => true),
  );
});

test("a secret is zeroed when it can't be encapsulated, too", async () => {
  const seen: Uint8Array[] = [];
  const lowOrder = publicKey(0x0020, new Uint8Array(32));
  await assert.rejects(LinkSecret.draw(remembering(seen), lowOrder));
  assert.deepEqual(seen, [new Uint8Array(32)]);
});

test("a secret shows nothing of itself", async () => {
  const secret = await LinkSecret.draw(platform, gatewayKey("x25519-a").key);
  assert.equal(JSON.stringify(secret.linkKey.hkdf), "{}");
  assert.notDeepEqual(secret.encapsulation, latin1(""));
});

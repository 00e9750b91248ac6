/** message-keys, segments, whole and padding. */

import { concat, varint } from "../../../src/bytes.js";
import type { Crypto } from "../../../src/crypto/seam.js";
import { ResponseOpener, sealRequest } from "../../../src/wire/envelope.js";
import { InnerRequest, SealedRequest } from "../../../src/wire/gen/privatelink.js";
import { pad, padme } from "../../../src/wire/padding.js";
import { LinkSecret } from "../../../src/wire/secret.js";
import { SegmentCipher, requestCipher, responseCipher } from "../../../src/wire/segments.js";
import type { LinkKey } from "../../../src/wire/segments.js";
import { failureOf, isValid, refused, same } from "../expect.js";
import type { Check } from "../expect.js";
import { expectedResponse, innerRequest, shown } from "../reading.js";
import type { Json } from "../reading.js";

export const messageKeys: Check = async (vector, crypto) => {
  const inputs = vector.get("inputs");
  const key = await linkKeyOf(crypto, inputs.get("link_key"));
  const form = inputs.get("form").number === 1 ? "whole" : "streamed";
  const nonce = inputs.get("request_nonce").bytes;
  const cipher = () =>
    inputs.get("direction").text === "request"
      ? requestCipher(key, form, nonce)
      : responseCipher(key, form, nonce, inputs.get("response_nonce").bytes);
  if (!isValid(vector)) {
    same((await failureOf(cipher)).name, "RangeError", "refused by");
    return;
  }
  const expected = await cipherOf(crypto, vector.get("output"));
  // The key itself can't be read: what it seals tells it from every other.
  const [found, wanted] = await Promise.all(
    [await cipher(), expected].map((each) => each.seal(0, nonce, true)),
  );
  same(found, wanted, "sealed with the key");
};

export const segments: Check = async (vector, crypto) => {
  const inputs = vector.get("inputs");
  const cipher = await cipherOf(crypto, inputs);
  const index = inputs.get("index").number;
  const isFinal = inputs.get("final").flag;
  if (!isValid(vector)) {
    await refused("bad-response", () => cipher.open(index, inputs.get("ciphertext").bytes, isFinal));
    return;
  }
  const plaintext = inputs.get("plaintext").bytes;
  const ciphertext = vector.get("output").get("ciphertext").bytes;
  same(await cipher.seal(index, plaintext, isFinal), ciphertext, "ciphertext");
  same(await cipher.open(index, ciphertext, isFinal), plaintext, "plaintext");
};

export const whole: Check = async (vector, crypto) => {
  const inputs = vector.get("inputs");
  if (inputs.get("direction").text === "request") {
    return isValid(vector) ? wholeRequest(vector, crypto) : "not ours";
  }
  const key = await linkKeyOf(crypto, inputs.get("link_key"));
  const opener = new ResponseOpener(key, inputs.get("request_nonce").bytes);
  const open = () => opener.open(inputs.get("body").bytes);
  if (!isValid(vector)) {
    await refused("bad-response", open);
    return;
  }
  same(shown(await open()), expectedResponse(vector.get("output").get("inner")), "opened");
  return;
};

/** The same ciphertext from the plaintext; and from the message the same bytes, where an SDK can have made them. */
async function wholeRequest(vector: Json, crypto: Crypto): Promise<undefined> {
  const steps = vector.get("intermediates");
  const secret = await linkSecret(crypto, steps);
  const nonce = steps.get("nonce").bytes;
  const cipher = await requestCipher(secret.linkKey, "whole", nonce);
  const plaintext = steps.get("plaintext").bytes;
  same(await cipher.seal(0, plaintext, true), steps.get("ciphertext").bytes, "ciphertext");
  const padding = vector.get("id").text.endsWith("-padded") ? "padme" : "none";
  const { body } = await sealRequest(secret, innerRequest(vector.get("output").get("inner")), {
    nonce,
    padding,
  });
  const sealed = SealedRequest.decode(body);
  same(sealed.keyId, steps.get("key_id").bytes, "key id");
  same(sealed.encapsulation, steps.get("encapsulation").bytes, "encapsulation");
  const ours = await cipher.open(0, sealed.ciphertext, true);
  same(known(ours), known(plaintext), "message");
  if (padding === "padme") same(ours, plaintext, "padded message");
}

/** A request as a receiver takes it: without what it ignores, and in one order of fields. */
function known(plaintext: Uint8Array): Uint8Array {
  return InnerRequest.encode({ ...InnerRequest.decode(plaintext), padding: new Uint8Array() }).finish();
}

export const padding: Check = (vector) => {
  const length = vector.get("inputs").get("length").number;
  const steps = vector.get("intermediates");
  same(padme(length), steps.get("padme_length").number, "PADMÉ length");
  const padded = pad(new Uint8Array(length).fill(0x61), "padme");
  same(padded.length, vector.get("output").get("padded_length").number, "padded length");
  const zeros = steps.get("zeros");
  const header = zeros.isAbsent ? new Uint8Array() : concat(Uint8Array.of(0x7a), varint(zeros.number));
  same(header, steps.get("field_header").bytes, "header of the field");
  same(padded.slice(length, length + header.length), header, "field");
  return Promise.resolve(undefined);
};

export async function linkKeyOf(crypto: Crypto, raw: Json): Promise<LinkKey> {
  return { crypto, hkdf: await crypto.hkdf(raw.bytes) };
}

export async function linkSecret(crypto: Crypto, steps: Json): Promise<LinkSecret> {
  const key = await linkKeyOf(crypto, steps.get("link_key"));
  return new LinkSecret(steps.get("key_id").bytes, steps.get("encapsulation").bytes, key);
}

/** By `key` and `base_nonce`. */
export async function cipherOf(crypto: Crypto, keys: Json): Promise<SegmentCipher> {
  return new SegmentCipher(await crypto.aead(keys.get("key").bytes), keys.get("base_nonce").bytes);
}

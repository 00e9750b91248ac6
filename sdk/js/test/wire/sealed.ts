/** Messages for tests: a secret and its request, and the gateway's side of the answer, which the SDK itself has not. */

import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from "@hpke/core";
import { XWing } from "@hpke/hybridkem-x-wing";

import { concat, latin1, u16 } from "../../src/bytes.js";
import type { Bytes } from "../../src/bytes.js";
import { XWING } from "../../src/crypto/seam.js";
import type { Crypto, Kem } from "../../src/crypto/seam.js";
import { ResponseOpener } from "../../src/wire/envelope.js";
import * as pb from "../../src/wire/gen/privatelink.js";
import type { InnerRequest } from "../../src/wire/inner.js";
import type { Padding } from "../../src/wire/padding.js";
import { deriveLinkKey, linkSalt } from "../../src/wire/secret.js";
import type { LinkSecret } from "../../src/wire/secret.js";
import { responseCipher } from "../../src/wire/segments.js";
import type { LinkKey } from "../../src/wire/segments.js";
import { StreamWriter } from "../../src/wire/streams.js";

const NONCE = new Uint8Array(16).fill(7);

export const REQUEST: InnerRequest = {
  method: "POST",
  scheme: "https",
  authority: "shop.example.com",
  path: "/orders",
  headers: [],
  sentAtMs: 1_800_000_000_000,
  exchangeId: new Uint8Array(16),
};

export function innerResponse(fields: Partial<pb.InnerResponse>): Bytes {
  const none = new Uint8Array();
  const empty = {
    headers: [],
    body: none,
    trailers: [],
    fault: "",
    gatewayTimeMs: 0,
    directorySerial: 0,
    padding: none,
  };
  return pb.InnerResponse.encode({ ...empty, status: 200, ...fields }).finish();
}

/** The link key behind a secret, as a gateway with the private key has it. */
export async function decapsulated(
  crypto: Crypto,
  kem: Kem,
  privateKey: Uint8Array,
  { keyId, encapsulation }: LinkSecret,
): Promise<LinkKey> {
  const theirs = kem === XWING ? new XWing() : new DhkemX25519HkdfSha256();
  const suite = new CipherSuite({ kem: theirs, kdf: new HkdfSha256(), aead: new Aes256Gcm() });
  const context = concat(u16(kem), keyId);
  const opening = {
    recipientKey: await theirs.importKey("raw", new Uint8Array(privateKey).buffer, false),
    enc: encapsulation.slice(0, theirs.encSize),
    info: concat(latin1("privatelink/1 secret\0"), context),
  };
  const secret = await suite.open(opening, encapsulation.slice(theirs.encSize));
  return deriveLinkKey(crypto, await linkSalt(crypto, context, encapsulation), new Uint8Array(secret));
}

/** A streamed answer that has begun: its head is sealed, and there is who opens it. */
export interface Begun {
  head: Bytes;
  writer: StreamWriter;
  opener: ResponseOpener;
}

export async function streamedAnswer(crypto: Crypto, padding: Padding = "none"): Promise<Begun> {
  const linkKey = { crypto, hkdf: await crypto.hkdf(await crypto.random(32)) };
  const writer = new StreamWriter(await responseCipher(linkKey, "streamed", NONCE, NONCE), padding);
  const preamble = pb.SealedResponse.encode({ nonce: NONCE, ciphertext: new Uint8Array() }).finish();
  const head = await writer.head(preamble, innerResponse({}));
  return { head, writer, opener: new ResponseOpener(linkKey, NONCE) };
}

/** The same numbers at every run: Lehmer's generator. */
export function* numbers(below: number): Generator<number, never, undefined> {
  for (let state = 1; ;) {
    state = (state * 48_271) % 0x7fffffff;
    yield state % below;
  }
}

/** A body in pieces of lengths below `below`. */
export function* pieces(body: Uint8Array, below: number): Generator<Uint8Array> {
  const lengths = numbers(below);
  for (let at = 0; at < body.length;) {
    const length = 1 + lengths.next().value;
    yield body.subarray(at, at + length);
    at += length;
  }
}

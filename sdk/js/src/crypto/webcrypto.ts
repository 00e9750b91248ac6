/**
 * Cryptography by the platform: WebCrypto, with HPKE by @hpke/core over it. Keys are not extractable.
 *
 * X-Wing, and what of it a platform's WebCrypto lacks (X25519, Ed25519), are loaded when they are needed.
 */

import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from "@hpke/core";
import type { KemInterface } from "@hpke/core";

import { concat } from "../bytes.js";
import type { Bytes } from "../bytes.js";
import { XWING } from "./seam.js";
import type { Aead, Crypto, Hkdf } from "./seam.js";

/** What of the platform's `crypto` is leaned on. There is no `subtle` in a page that did not come over TLS. */
export interface WebPlatform {
  readonly subtle?: SubtleCrypto;
  getRandomValues(array: Bytes): Bytes;
}

type Load = () => Promise<Crypto>;

export function webCrypto(platform: WebPlatform = globalThis.crypto): Crypto {
  const random = (length: number): Promise<Bytes> =>
    Promise.resolve(platform.getRandomValues(new Uint8Array(length)));
  const fallback = async (): Promise<Crypto> => (await import("./noble.js")).nobleCrypto(random);
  const { subtle } = platform;
  return subtle ? bySubtle(subtle, random, fallback) : byFallback(random, fallback);
}

function bySubtle(subtle: SubtleCrypto, random: Crypto["random"], fallback: Load): Crypto {
  const hasX25519 = once(() => works(subtle.generateKey("X25519", false, ["deriveBits"])));
  const hasEd25519 = once(() => works(subtle.generateKey("Ed25519", false, ["sign", "verify"])));
  return {
    random,
    sha256: async (data) => new Uint8Array(await subtle.digest("SHA-256", own(data))),
    hkdf: (ikm) => hkdf(subtle, ikm),
    aead: (key) => aead(subtle, key),
    sealBase: async (kem, publicKey, info, plaintext) => {
      if (kem === XWING) return sealBase((await import("./xwing.js")).xWing(), publicKey, info, plaintext);
      if (await hasX25519()) return sealBase(new DhkemX25519HkdfSha256(), publicKey, info, plaintext);
      return (await fallback()).sealBase(kem, publicKey, info, plaintext);
    },
    verify: async (publicKey, signature, message) => {
      if (await hasEd25519()) return verify(subtle, publicKey, signature, message);
      return (await fallback()).verify(publicKey, signature, message);
    },
  };
}

function byFallback(random: Crypto["random"], load: Load): Crypto {
  return {
    random,
    sha256: async (data) => (await load()).sha256(data),
    hkdf: async (ikm) => (await load()).hkdf(ikm),
    aead: async (key) => (await load()).aead(key),
    sealBase: async (...sealing) => (await load()).sealBase(...sealing),
    verify: async (...signed) => (await load()).verify(...signed),
  };
}

async function hkdf(subtle: SubtleCrypto, ikm: Uint8Array): Promise<Hkdf> {
  const key = await subtle.importKey("raw", own(ikm), "HKDF", false, ["deriveBits"]);
  return {
    derive: async (salt, info, length) => {
      const algorithm = { name: "HKDF", hash: "SHA-256", salt: own(salt), info: own(info) };
      return new Uint8Array(await subtle.deriveBits(algorithm, key, length * 8));
    },
  };
}

async function aead(subtle: SubtleCrypto, raw: Uint8Array): Promise<Aead> {
  const key = await subtle.importKey("raw", own(raw), "AES-GCM", false, ["encrypt", "decrypt"]);
  const algorithm = (nonce: Uint8Array, aad: Uint8Array): AesGcmParams => {
    return { name: "AES-GCM", iv: own(nonce), additionalData: own(aad) };
  };
  return {
    seal: async (nonce, aad, plaintext) =>
      new Uint8Array(await subtle.encrypt(algorithm(nonce, aad), key, own(plaintext))),
    open: async (nonce, aad, ciphertext) => {
      try {
        return new Uint8Array(await subtle.decrypt(algorithm(nonce, aad), key, own(ciphertext)));
      } catch {
        return undefined; // the tag, or too short to have one
      }
    },
  };
}

async function sealBase(
  kem: KemInterface,
  publicKey: Uint8Array,
  info: Uint8Array,
  plaintext: Uint8Array,
): Promise<Bytes> {
  const suite = new CipherSuite({ kem, kdf: new HkdfSha256(), aead: new Aes256Gcm() });
  const recipientPublicKey = await kem.deserializePublicKey(publicKey);
  const { enc, ct } = await suite.seal({ recipientPublicKey, info }, plaintext);
  return concat(new Uint8Array(enc), new Uint8Array(ct));
}

async function verify(
  subtle: SubtleCrypto,
  publicKey: Uint8Array,
  signature: Uint8Array,
  message: Uint8Array,
): Promise<boolean> {
  try {
    const key = await subtle.importKey("raw", own(publicKey), "Ed25519", false, ["verify"]);
    return await subtle.verify("Ed25519", key, own(signature), own(message));
  } catch {
    return false; // no point of the curve
  }
}

function works(attempt: Promise<unknown>): Promise<boolean> {
  return attempt.then(
    () => true,
    () => false,
  );
}

function once<T>(compute: () => T): () => T {
  let held: { value: T } | undefined;
  return () => (held ??= { value: compute() }).value;
}

/** As WebCrypto takes bytes: not shared. */
function own(data: Uint8Array): Bytes {
  return isOwn(data) ? data : new Uint8Array(data);
}

function isOwn(data: Uint8Array): data is Bytes {
  return data.buffer instanceof ArrayBuffer;
}

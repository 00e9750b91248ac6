/**
 * Cryptography in JavaScript alone, for runtimes without WebCrypto: the @noble libraries.
 *
 * HPKE is put together here, from RFC 9180: @hpke/core takes each step from `crypto.subtle`, whatever KEM, KDF and AEAD it is
 * given. Keys are bytes in memory, and nothing here runs in constant time: prefer `webcrypto.ts` where it works.
 */

import { gcm } from "@noble/ciphers/aes.js";
import { ed25519, x25519 } from "@noble/curves/ed25519.js";
import { expand, extract, hkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { type Bytes, concat, latin1, u16 } from "../bytes.js";
import { type Aead, type Crypto, type Hkdf, type Kem, X25519, XWING } from "./seam.js";

/** That many bytes of the operating system's generator. */
export type RandomSource = (length: number) => Promise<Bytes>;

export function nobleCrypto(random: RandomSource): Crypto {
  return {
    random,
    sha256: (data) => later(() => sha256(data)),
    hkdf: (ikm) => later(() => hkdfOf(ikm.slice())),
    aead: (key) => later(() => aeadOf(key.slice())),
    sealBase: async (kem, publicKey, info, plaintext) => {
      const { enc, sharedSecret } = await ENCAPSULATIONS[kem](publicKey, random);
      const { key, baseNonce } = keySchedule(kem, sharedSecret, info);
      return concat(enc, gcm(key, baseNonce).encrypt(plaintext));
    },
    verify: (publicKey, signature, message) => later(() => verified(publicKey, signature, message)),
  };
}

function later<T>(compute: () => T): Promise<T> {
  return Promise.resolve().then(compute);
}

function hkdfOf(ikm: Uint8Array): Hkdf {
  return { derive: (salt, info, length) => later(() => hkdf(sha256, ikm, salt, info, length)) };
}

function aeadOf(key: Uint8Array): Aead {
  return {
    seal: (nonce, aad, plaintext) => later(() => gcm(key, nonce, aad).encrypt(plaintext)),
    open: (nonce, aad, ciphertext) => later(() => opened(key, nonce, aad, ciphertext)),
  };
}

function opened(
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  ciphertext: Uint8Array,
): Bytes | undefined {
  const cipher = gcm(key, nonce, aad);
  try {
    return cipher.decrypt(ciphertext);
  } catch {
    return undefined; // the tag, or too short to have one
  }
}

function verified(publicKey: Uint8Array, signature: Uint8Array, message: Uint8Array): boolean {
  try {
    return ed25519.verify(signature, message, publicKey, { zip215: false });
  } catch {
    return false;
  }
}

interface Encapsulated {
  enc: Uint8Array;
  sharedSecret: Uint8Array;
}

const ENCAPSULATIONS: Record<Kem, (publicKey: Uint8Array, random: RandomSource) => Promise<Encapsulated>> = {
  /** DHKEM(X25519, HKDF-SHA256), RFC 9180, 4.1; noble refuses points of low order, as 7.1.4 has it. */
  [X25519]: async (publicKey, random) => {
    const ephemeral = await random(32);
    const enc = x25519.getPublicKey(ephemeral);
    const dh = x25519.getSharedSecret(ephemeral, publicKey);
    const suite = concat(latin1("KEM"), u16(X25519));
    const prk = labeledExtract(suite, "eae_prk", dh);
    return { enc, sharedSecret: labeledExpand(suite, prk, "shared_secret", concat(enc, publicKey), 32) };
  },

  /** draft-connolly-cfrg-xwing-kem, 5.4. Loaded when it is asked for. */
  [XWING]: async (publicKey, random) => {
    const { ml_kem768_x25519: xWing } = await import("@noble/post-quantum/hybrid.js");
    const { cipherText, sharedSecret } = xWing.encapsulate(publicKey, await random(64));
    return { enc: cipherText, sharedSecret };
  },
};

const KDF_HKDF_SHA256 = 0x0001;
const AEAD_AES_256_GCM = 0x0002;
const MODE_BASE = new Uint8Array([0]);
const EMPTY = new Uint8Array(0);

/** RFC 9180, 5.1, mode base. */
function keySchedule(kem: Kem, sharedSecret: Uint8Array, info: Uint8Array): { key: Bytes; baseNonce: Bytes } {
  const suite = concat(latin1("HPKE"), u16(kem), u16(KDF_HKDF_SHA256), u16(AEAD_AES_256_GCM));
  const context = concat(
    MODE_BASE,
    labeledExtract(suite, "psk_id_hash", EMPTY),
    labeledExtract(suite, "info_hash", info),
  );
  const secret = labeledExtract(suite, "secret", EMPTY, sharedSecret);
  return {
    key: labeledExpand(suite, secret, "key", context, 32),
    baseNonce: labeledExpand(suite, secret, "base_nonce", context, 12),
  };
}

/** RFC 9180, 4. */
function labeledExtract(suite: Uint8Array, label: string, ikm: Uint8Array, salt: Uint8Array = EMPTY): Bytes {
  return extract(sha256, concat(latin1("HPKE-v1"), suite, latin1(label), ikm), salt);
}

function labeledExpand(
  suite: Uint8Array,
  prk: Uint8Array,
  label: string,
  info: Uint8Array,
  length: number,
): Bytes {
  return expand(sha256, prk, concat(u16(length), latin1("HPKE-v1"), suite, latin1(label), info), length);
}

/** The cryptography that the protocol is built of, as the platform has it. Everything is asynchronous: WebCrypto is. */

import type { Bytes } from "../bytes.js";

/** DHKEM(X25519, HKDF-SHA256) by its id in RFC 9180's registry. */
export const X25519 = 0x0020;
/** X-Wing (ML-KEM-768 + X25519), by its id there. */
export const XWING = 0x647a;

export type Kem = typeof X25519 | typeof XWING;

export interface Crypto {
  /** Bytes of the operating system's generator. */
  random(length: number): Promise<Bytes>;

  sha256(data: Uint8Array): Promise<Bytes>;

  /** HKDF-SHA256 (RFC 5869) over this input key material, which the caller may zero once it is there. */
  hkdf(ikm: Uint8Array): Promise<Hkdf>;

  /** AES-256-GCM with this key of 32 bytes, which the caller may zero once it is there. */
  aead(key: Uint8Array): Promise<Aead>;

  /**
   * HPKE, base mode, single shot (RFC 9180, 6.1), with HKDF-SHA256, AES-256-GCM and no aad: `enc || ciphertext`.
   * Rejects when `publicKey` is no key of `kem`, a point of low order say.
   */
  sealBase(kem: Kem, publicKey: Uint8Array, info: Uint8Array, plaintext: Uint8Array): Promise<Bytes>;

  /** Ed25519 (RFC 8032): whether the signature is that of the key, 32 bytes. False for whatever is malformed. */
  verify(publicKey: Uint8Array, signature: Uint8Array, message: Uint8Array): Promise<boolean>;
}

/** Input key material that can be derived from, and not read. */
export interface Hkdf {
  derive(salt: Uint8Array, info: Uint8Array, length: number): Promise<Bytes>;
}

/** A key that can be used, and not read. The tag of 16 bytes is at the end of each ciphertext. */
export interface Aead {
  seal(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Promise<Bytes>;

  /** Undefined: it does not open. */
  open(nonce: Uint8Array, aad: Uint8Array, ciphertext: Uint8Array): Promise<Bytes | undefined>;
}

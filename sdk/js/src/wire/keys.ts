/** Gateway keys and root keys (protocol, sections 2, 7 and 11). */

import { concat, fromBase64url, u16 } from "../bytes.js";
import type { Bytes } from "../bytes.js";
import { X25519, XWING } from "../crypto/seam.js";
import type { Crypto, Kem } from "../crypto/seam.js";

/** The public half of a gateway key. */
export interface PublicKey {
  readonly kem: Kem;
  readonly raw: Uint8Array;
}

const ID_LENGTH = 8;
const ROOT_LENGTH = 32;
const LENGTHS: Readonly<Record<Kem, number>> = { [X25519]: 32, [XWING]: 1216 };
const KEMS: Readonly<Record<string, Kem>> = { x25519: X25519, xwing: XWING };

export function isKem(id: number): id is Kem {
  return id === X25519 || id === XWING;
}

/** Throws TypeError for an unknown KEM or a key of another length. */
export function publicKey(kem: number, raw: Uint8Array): PublicKey {
  if (!isKem(kem)) throw new TypeError(`expected the id of a KEM, not ${kem}`);
  if (raw.length !== LENGTHS[kem]) {
    throw new TypeError(`expected ${LENGTHS[kem]} bytes of public key, not ${raw.length}`);
  }
  return { kem, raw };
}

/** 8 bytes. */
export async function keyId(crypto: Crypto, key: PublicKey): Promise<Bytes> {
  const digest = await crypto.sha256(concat(u16(key.kem), key.raw));
  return digest.slice(0, ID_LENGTH);
}

/** A gateway key as apps pin it: `x25519:<base64url>` or `xwing:<base64url>`. Throws TypeError. */
export function parsePublicKey(text: string): PublicKey {
  const [name = "", encoded = "", ...rest] = text.split(":");
  const kem = Object.hasOwn(KEMS, name) ? KEMS[name] : undefined;
  if (kem !== undefined && rest.length === 0) return publicKey(kem, fromBase64url(encoded));
  throw new TypeError(
    `expected a gateway key such as x25519:<base64url> or xwing:<base64url>, not ${JSON.stringify(text.slice(0, 24))}`,
  );
}

/** A root key as apps pin it, `ed25519:<base64url>`: its 32 bytes. Throws TypeError. */
export function parseRootKey(text: string): Bytes {
  const encoded = text.startsWith("ed25519:") ? text.slice("ed25519:".length) : "";
  const raw = /^[\w-]{43}$/.test(encoded) ? fromBase64url(encoded) : undefined;
  if (raw?.length === ROOT_LENGTH) return raw;
  throw new TypeError(
    `expected a root key such as ed25519:<43 characters of base64url>, not ${JSON.stringify(text.slice(0, 64))}`,
  );
}

/** 8 bytes. */
export async function rootId(crypto: Crypto, root: Uint8Array): Promise<Bytes> {
  const digest = await crypto.sha256(root);
  return digest.slice(0, ID_LENGTH);
}

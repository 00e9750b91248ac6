/** Message keys (protocol, section 4) and segments (section 5). */

import { concat, latin1 } from "../bytes.js";
import type { Bytes } from "../bytes.js";
import type { Aead, Crypto, Hkdf } from "../crypto/seam.js";
import { malformed } from "./messages.js";

/** How a message is framed (section 6); part of its keys, so that one can't be passed off as the other. */
export type Form = "whole" | "streamed";

/** That every message key of one link secret is derived from, and what derives them. */
export interface LinkKey {
  readonly crypto: Crypto;
  readonly hkdf: Hkdf;
}

export const NONCE_LENGTH = 16;
export const TAG_LENGTH = 16;

const KEY_LENGTH = 32;
const BASE_NONCE_LENGTH = 12;
const INDEX_END = 2 ** 32;
const FORMS: Readonly<Record<Form, number>> = { whole: 1, streamed: 2 };
const FINAL = latin1("final");
const NOTHING = new Uint8Array();

/** Seals or opens the segments of one message. Its keys are never used for another. */
export class SegmentCipher {
  readonly #aead: Aead;
  readonly #baseNonce: Uint8Array;

  constructor(aead: Aead, baseNonce: Uint8Array) {
    this.#aead = aead;
    this.#baseNonce = baseNonce;
  }

  /** Segment `index` (below 2^32): ciphertext and tag. */
  seal(index: number, plaintext: Uint8Array, isFinal: boolean): Promise<Bytes> {
    return this.#aead.seal(this.#nonce(index), isFinal ? FINAL : NOTHING, plaintext);
  }

  /** The plaintext of segment `index`. Rejects with LinkError("bad-response"). */
  async open(index: number, ciphertext: Uint8Array, isFinal: boolean): Promise<Bytes> {
    if (index >= INDEX_END) throw malformed("more segments than there are numbers for");
    const plaintext = await this.#aead.open(this.#nonce(index), isFinal ? FINAL : NOTHING, ciphertext);
    if (plaintext === undefined) throw malformed(`segment ${index} does not open`);
    return plaintext;
  }

  #nonce(index: number): Bytes {
    if (!(index >= 0 && index < INDEX_END))
      throw new RangeError(`expected a segment below 2^32, not ${index}`);
    const nonce = new Uint8Array(this.#baseNonce);
    const view = new DataView(nonce.buffer);
    view.setUint32(8, view.getUint32(8) ^ index);
    return nonce;
  }
}

export function requestCipher(key: LinkKey, form: Form, requestNonce: Uint8Array): Promise<SegmentCipher> {
  return cipher(key, "privatelink/1 request", form, requestNonce);
}

export function responseCipher(
  key: LinkKey,
  form: Form,
  requestNonce: Uint8Array,
  responseNonce: Uint8Array,
): Promise<SegmentCipher> {
  return cipher(key, "privatelink/1 response", form, requestNonce, responseNonce);
}

async function cipher(
  key: LinkKey,
  label: string,
  form: Form,
  ...nonces: Uint8Array[]
): Promise<SegmentCipher> {
  if (nonces.some((nonce) => nonce.length !== NONCE_LENGTH)) {
    throw new RangeError(`expected nonces of ${NONCE_LENGTH} bytes`); // else bytes could move between two of them
  }
  const info = concat(latin1(`${label}\0`), Uint8Array.of(FORMS[form]), ...nonces);
  const okm = await key.hkdf.derive(NOTHING, info, KEY_LENGTH + BASE_NONCE_LENGTH);
  const aead = await key.crypto.aead(okm.subarray(0, KEY_LENGTH));
  const baseNonce = okm.slice(KEY_LENGTH);
  okm.fill(0);
  return new SegmentCipher(aead, baseNonce);
}

/** The link secret (protocol, section 3). */

import { concat, latin1, u16 } from "../bytes.js";
import type { Bytes } from "../bytes.js";
import type { Crypto } from "../crypto/seam.js";
import { keyId } from "./keys.js";
import type { PublicKey } from "./keys.js";
import type { LinkKey } from "./segments.js";

const LENGTH = 32;

/** A secret that this client has drawn and encapsulated, once, to one gateway key. It is never stored. */
export class LinkSecret {
  readonly keyId: Uint8Array;
  readonly encapsulation: Uint8Array;
  readonly linkKey: LinkKey;

  constructor(keyId: Uint8Array, encapsulation: Uint8Array, linkKey: LinkKey) {
    this.keyId = keyId;
    this.encapsulation = encapsulation;
    this.linkKey = linkKey;
  }

  /** Rejects when `key` is of the right length but no key of its KEM. */
  static async draw(crypto: Crypto, key: PublicKey): Promise<LinkSecret> {
    const id = await keyId(crypto, key);
    const secret = await crypto.random(LENGTH);
    try {
      const context = concat(u16(key.kem), id);
      const info = concat(latin1("privatelink/1 secret\0"), context);
      const encapsulation = await crypto.sealBase(key.kem, key.raw, info, secret);
      const salt = await linkSalt(crypto, context, encapsulation);
      return new LinkSecret(id, encapsulation, await deriveLinkKey(crypto, salt, secret));
    } finally {
      secret.fill(0);
    }
  }
}

/** What a link key is bound to. `context`: KEM id and key id. */
export function linkSalt(crypto: Crypto, context: Uint8Array, encapsulation: Uint8Array): Promise<Bytes> {
  return crypto.sha256(concat(latin1("privatelink/1 context\0"), context, encapsulation));
}

export async function deriveLinkKey(crypto: Crypto, salt: Uint8Array, secret: Uint8Array): Promise<LinkKey> {
  const hkdf = await crypto.hkdf(secret);
  const raw = await hkdf.derive(salt, latin1("privatelink/1 link"), LENGTH);
  try {
    return { crypto, hkdf: await crypto.hkdf(raw) };
  } finally {
    raw.fill(0);
  }
}

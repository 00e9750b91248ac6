/** key-ids, root-keys and link-key. */

import { concat, latin1, u16 } from "../../../src/bytes.js";
import type { Crypto } from "../../../src/crypto/seam.js";
import { keyId, parseRootKey, publicKey, rootId } from "../../../src/wire/keys.js";
import { deriveLinkKey, linkSalt } from "../../../src/wire/secret.js";
import { failureOf, isValid, same } from "../expect.js";
import type { Check } from "../expect.js";

const KEMS: Readonly<Record<string, number>> = { x25519: 0x0020, xwing: 0x647a };

export const keyIds: Check = async (vector, crypto) => {
  const inputs = vector.get("inputs");
  const key = () => publicKey(inputs.get("kem_id").number, inputs.get("public_key").bytes);
  if (!isValid(vector)) {
    same((await failureOf(key)).name, "TypeError", "refused by");
    return;
  }
  same(await keyId(crypto, key()), vector.get("output").get("key_id").bytes, "key id");
};

export const rootKeys: Check = async (vector, crypto) => {
  const text = vector.get("inputs").get("text").text;
  if (!isValid(vector)) {
    same((await failureOf(() => parseRootKey(text))).name, "TypeError", "refused by");
    return;
  }
  const raw = parseRootKey(text);
  same(raw, vector.get("output").get("public_key").bytes, "root key");
  same(await rootId(crypto, raw), vector.get("output").get("root_id").bytes, "root id");
};

/** A client compares what it derives from a secret; only a gateway opens encapsulations. */
export const linkKey: Check = async (vector, crypto) => {
  if (!isValid(vector)) return "not ours";
  const steps = vector.get("intermediates");
  const [kem = ""] = vector.get("inputs").get("key").text.split("-");
  const context = concat(u16(KEMS[kem] ?? 0), steps.get("key_id").bytes);
  const salt = await linkSalt(crypto, context, vector.get("inputs").get("encapsulation").bytes);
  same(salt, steps.get("salt").bytes, "salt");
  const key = await deriveLinkKey(crypto, salt, steps.get("secret").bytes);
  const expected = await crypto.hkdf(vector.get("output").get("link_key").bytes);
  same(await fingerprint(key.hkdf), await fingerprint(expected), "link key");
  return;
};

/** The key itself can't be read: what is derived from it tells it from every other. */
function fingerprint(key: Awaited<ReturnType<Crypto["hkdf"]>>): Promise<Uint8Array> {
  return key.derive(latin1(""), latin1("a fingerprint"), 32);
}

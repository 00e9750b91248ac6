/** directory: what section 11 lets a client accept, and what it uses and remembers of it. */

import { hex } from "../../../src/bytes.js";
import type { Crypto } from "../../../src/crypto/seam.js";
import { preferredKey, verifyDirectory } from "../../../src/wire/directory.js";
import type { Seen, Verified } from "../../../src/wire/directory.js";
import { keyId, parseRootKey } from "../../../src/wire/keys.js";
import { failureOf, isValid, same } from "../expect.js";
import type { Check } from "../expect.js";
import type { Json } from "../reading.js";

export const directory: Check = async (vector, crypto) => {
  const inputs = vector.get("inputs");
  const verify = (seen: Seen) => verified(crypto, inputs, seen);
  const known = remembered(inputs.get("accepted"));
  if (!isValid(vector)) {
    const error = await failureOf(() => verify(known));
    same(/^directory(?:-|$)/.test("code" in error ? String(error.code) : error.name), true, error.message);
    return;
  }
  const output = vector.get("output");
  const found = await verify(known);
  for (const [requirePq, name] of [
    [false, "key_id"],
    [true, "require_pq_key_id"],
  ] as const) {
    const key = preferredKey(found.directory, inputs.get("now").number, { requirePq });
    same(key ? hex(await keyId(crypto, key)) : null, output.get(name).value, name);
  }
  for (const [root, { serial, digest }] of remembered(output.get("accepted"))) {
    same(found.seen.get(root)?.serial, serial, "serial to remember");
    same(found.seen.get(root)?.digest, digest, "hash to remember");
  }
  same((await verify(found.seen)).seen.size, found.seen.size, "remembered of the same again");
};

function verified(crypto: Crypto, inputs: Json, seen: Seen): Promise<Verified> {
  const roots = inputs.get("roots").list.map((text) => parseRootKey(text.text));
  const link = inputs.get("link").text;
  return verifyDirectory(crypto, inputs.get("signed").bytes, {
    roots,
    link,
    now: inputs.get("now").number,
    seen,
  });
}

function remembered(entries: Json): Seen {
  return new Map(
    entries.list.map((entry) => [
      entry.get("root_id").text,
      { serial: entry.get("serial").number, digest: entry.get("directory_sha256").text },
    ]),
  );
}

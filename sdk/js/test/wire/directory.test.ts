/** The directory: each thing that can be wrong with one has a code of its own. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { webCrypto } from "../../src/crypto/webcrypto.js";
import { LinkError } from "../../src/errors.js";
import type { Crypto } from "../../src/crypto/seam.js";
import { verifyDirectory } from "../../src/wire/directory.js";
import type { Accepted, Trust, Verified } from "../../src/wire/directory.js";
import * as pb from "../../src/wire/gen/privatelink.js";
import { parseRootKey } from "../../src/wire/keys.js";
import { Json } from "../vectors/reading.js";

const FILE = new URL("../../../../tests/vectors/directory.json", import.meta.url);
const VECTORS = new Json(JSON.parse(readFileSync(FILE, "utf8")), "directory").get("vectors").list;

const CODES: Readonly<Record<string, string>> = {
  expired: "directory-expired",
  "issued-too-far-ahead": "directory-early",
  "another-link": "directory-other-link",
  "31-days": "directory",
  "rolled-back": "directory-rolled-back",
  "equal-serial": "directory-rolled-back",
  unsigned: "directory-unsigned",
  "signature-flipped": "directory-unsigned",
  "root-not-pinned": "directory-untrusted",
  "key-of-31": "directory",
  "not-protobuf": "directory",
  html: "directory",
};

function trustOf(inputs: Json): Trust {
  const seen = inputs
    .get("accepted")
    .list.map((entry): [string, Accepted] => [
      entry.get("root_id").text,
      { serial: entry.get("serial").number, digest: entry.get("directory_sha256").text },
    ]);
  return {
    roots: inputs.get("roots").list.map((root) => parseRootKey(root.text)),
    link: inputs.get("link").text,
    now: inputs.get("now").number,
    seen: new Map(seen),
  };
}

for (const [id, code] of Object.entries(CODES)) {
  test(`${id}: ${code}`, async () => {
    const inputs = VECTORS.find((vector) => vector.get("id").text === id)?.get("inputs");
    assert.ok(inputs);
    const signed = inputs.get("signed").bytes;
    await assert.rejects(verifyDirectory(webCrypto(), signed, trustOf(inputs)), (error) => {
      assert.ok(error instanceof LinkError && error instanceof TypeError);
      assert.deepEqual([error.code, error.outcomeUnknown], [code, false]);
      return true;
    });
  });
}

test("a crowd of signatures is not looked through", async () => {
  const [given] = VECTORS;
  const inputs = given?.get("inputs") ?? assert.fail();
  const { directory, signatures } = pb.SignedKeyDirectory.decode(inputs.get("signed").bytes);
  const [good = assert.fail()] = signatures;
  const bad = { ...good, signature: new Uint8Array(64) };
  let verified = 0;
  const crypto = webCrypto();
  const counting: Crypto = { ...crypto, verify: (...signed) => ((verified += 1), crypto.verify(...signed)) };
  const verify = (count: number): Promise<Verified> => {
    const all = { directory, signatures: [...Array<pb.Signature>(count).fill(bad), good] };
    return verifyDirectory(counting, pb.SignedKeyDirectory.encode(all).finish(), trustOf(inputs));
  };
  assert.equal((await verify(15)).directory.serial, (await verify(0)).directory.serial);
  verified = 0;
  await assert.rejects(verify(16), { code: "directory" });
  assert.equal(verified, 0);
});

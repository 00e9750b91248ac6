/** The client's vectors of tests/vectors/, all of them, on each cryptography: what is valid comes out, the rest is refused. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { nobleCrypto } from "../../src/crypto/noble.js";
import type { Crypto } from "../../src/crypto/seam.js";
import { webCrypto } from "../../src/crypto/webcrypto.js";
import { TOPICS, runVectors } from "./run.js";

const FOLDER = new URL("../../../../tests/vectors/", import.meta.url);
const platform = webCrypto();
const CRYPTOS: Readonly<Record<string, Crypto>> = {
  WebCrypto: platform,
  noble: nobleCrypto((length) => platform.random(length)),
};

function load(topic: string): unknown {
  return JSON.parse(readFileSync(new URL(`${topic}.json`, FOLDER), "utf8"));
}

for (const [name, crypto] of Object.entries(CRYPTOS)) {
  for (const topic of TOPICS) {
    test(`${topic}, on ${name}`, async (t) => {
      const { ran, failures } = await runVectors(crypto, { [topic]: load(topic) });
      assert.deepEqual(failures, []);
      assert.ok((ran[topic] ?? 0) > 0);
      t.diagnostic(`${String(ran[topic])} vectors`);
    });
  }
}

/** The same document with the outcome of each vector turned round: what is valid is not, and what is not is. */
function turned(document: unknown): unknown {
  const other: Readonly<Record<string, string>> = { valid: "invalid", invalid: "valid" };
  return JSON.parse(JSON.stringify(document), (key, value: unknown) =>
    key === "result" && typeof value === "string" ? other[value] : value,
  );
}

test("a vector that is not met is reported", async () => {
  for (const topic of [
    "key-ids",
    "root-keys",
    "segments",
    "whole",
    "streamed",
    "inner-validation",
    "directory",
  ]) {
    const { ran, failures } = await runVectors(platform, { [topic]: turned(load(topic)) });
    assert.equal(failures.length, ran[topic], topic);
  }
});

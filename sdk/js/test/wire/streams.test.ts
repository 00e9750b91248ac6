/**
 * Streams: what a writer makes a reader gets, however it is cut on the way; a reader holds one unfinished segment, and
 * opens a segment when it is asked for it.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { concat } from "../../src/bytes.js";
import type { Crypto } from "../../src/crypto/seam.js";
import { webCrypto } from "../../src/crypto/webcrypto.js";
import { sealStream } from "../../src/wire/envelope.js";
import type { Field } from "../../src/wire/inner.js";
import { FrameReader, MAX_SEGMENT } from "../../src/wire/framing.js";
import { LinkSecret } from "../../src/wire/secret.js";
import type { StreamReader } from "../../src/wire/streams.js";
import { REQUEST, numbers, pieces, streamedAnswer } from "./sealed.js";

const crypto = webCrypto();
const TRAILERS: Field[] = [["x-checksum", "1234"]];

async function read(
  reader: StreamReader,
  parts: Iterable<Uint8Array>,
): Promise<{ data: Uint8Array; trailers: Field[] }> {
  const data: Uint8Array[] = [];
  const trailers: Field[] = [];
  for (const part of parts) {
    for await (const chunk of reader.receive(part)) {
      data.push(chunk.data);
      trailers.push(...chunk.trailers);
    }
  }
  reader.end();
  return { data: concat(...data), trailers };
}

for (const padding of ["none", "padme"] as const) {
  test(`what is written is read, wherever it is cut: ${padding}`, async () => {
    const lengths = numbers(200_000);
    for (const below of [7, 1500, 100_000, 1_000_000]) {
      const { head, writer, opener } = await streamedAnswer(crypto, padding);
      const sent = Array.from({ length: 3 }, () => new Uint8Array(lengths.next().value).fill(below));
      const body = [head];
      for (const data of sent) body.push(await writer.write(data));
      body.push(await writer.finish(sent[0], TRAILERS));
      const found = await read(opener.stream(), pieces(concat(...body), below));
      assert.deepEqual(found, { data: concat(...sent, sent[0] ?? new Uint8Array()), trailers: TRAILERS });
    }
  });
}

test("an empty body is two segments", async () => {
  const { head, writer, opener } = await streamedAnswer(crypto);
  assert.equal((await writer.write(new Uint8Array())).length, 0);
  const reader = opener.stream();
  const found = await read(reader, [head, await writer.finish()]);
  assert.equal(found.data.length, 0);
  assert.equal(reader.head?.status, 200);
});

test("a message is finished once, and nothing is written after it", async () => {
  const { writer } = await streamedAnswer(crypto);
  await writer.finish();
  await assert.rejects(writer.finish(), /finished/);
  await assert.rejects(writer.write(new Uint8Array(1)), /finished/);
});

test("a reader of frames holds one that is unfinished, and no more", () => {
  const segment = concat(Uint8Array.of(0, 1, 1, 0xd0), new Uint8Array(MAX_SEGMENT));
  const body = concat(Uint8Array.of(1, 0), ...Array.from({ length: 40 }, () => segment));
  const frames = new FrameReader();
  let most = 0;
  let count = 0;
  for (const piece of pieces(body, 9000)) {
    for (const frame of frames.receive(piece)) count += frame.kind === "segment" ? 1 : 0;
    most = Math.max(most, frames.held);
  }
  assert.equal(count, 40);
  assert.ok(most < segment.length);
});

test("segments are opened as they are asked for", async () => {
  let opened = 0;
  const counting: Crypto = {
    ...crypto,
    aead: async (key) => {
      const aead = await crypto.aead(key);
      return { ...aead, open: (...call) => ((opened += 1), aead.open(...call)) };
    },
  };
  const { head, writer, opener } = await streamedAnswer(counting);
  const body = concat(head, await writer.write(new Uint8Array(300_000)), await writer.finish());
  const chunks = opener.stream().receive(body);
  for (const expected of [2, 3, 4]) {
    await chunks.next();
    assert.equal(opened, expected); // the head, and as many chunks
  }
});

test("after an error nothing opens", async () => {
  const { head, writer, opener } = await streamedAnswer(crypto);
  const [first, second] = [await writer.write(new Uint8Array(10)), await writer.write(new Uint8Array(10))];
  const reader = opener.stream();
  await assert.rejects(read(reader, [concat(head, second)]), { code: "bad-response", outcomeUnknown: true });
  await assert.rejects(read(reader, [first]), { code: "bad-response" });
  assert.throws(
    () => {
      reader.end();
    },
    { code: "truncated", outcomeUnknown: true },
  );
});

test("a request whose head does not fit into a segment is refused before anything is sent", async () => {
  const secret = new LinkSecret(new Uint8Array(8), new Uint8Array(80), {
    crypto,
    hkdf: await crypto.hkdf(new Uint8Array(32)),
  });
  const inner = { ...REQUEST, path: `/${"a".repeat(66_000)}` };
  await assert.rejects(sealStream(secret, inner, { nonce: new Uint8Array(16) }), RangeError);
});

/** Messages as a peer has sent them. Invariant: what Protocol Buffers would refuse is refused, however deep it stands. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { concat, latin1 } from "../../src/bytes.js";
import * as pb from "../../src/wire/gen/privatelink.js";
import { parse, parseChunk, parseResponse } from "../../src/wire/messages.js";

const HEADERS = 0x12; // field 2 of InnerResponse, and `trailers` of InnerChunk
const NAME = Uint8Array.of(0x0a, 1, 0x61); // "a"

/** A length-delimited field. */
const field = (tag: number, ...parts: Uint8Array[]): Uint8Array => {
  const content = concat(...parts);
  return concat(Uint8Array.of(tag, content.length), content);
};

const BROKEN: Record<string, Uint8Array> = {
  "a tag of 0 within a header": concat(field(HEADERS, NAME, Uint8Array.of(0)), field(HEADERS, NAME)),
  "the end of a group within a header": field(HEADERS, NAME, Uint8Array.of(0x0c)),
  "a value that goes on after its header": concat(
    field(HEADERS, NAME, Uint8Array.of(0x12, 4, 0x62)),
    Uint8Array.of(0x2a, 1, 0x63),
  ),
  "a header that goes on after the message": Uint8Array.of(HEADERS, 9, 0x0a, 1, 0x61),
};

for (const [name, serialized] of Object.entries(BROKEN)) {
  test(`no message: ${name}`, () => {
    const expected = { code: "bad-response", outcomeUnknown: true };
    assert.throws(() => parseResponse(serialized), expected);
    assert.throws(() => parseChunk(serialized), expected);
    assert.throws(() => parse(pb.SignedKeyDirectory, serialized), expected);
  });
}

test("unknown fields, groups too, are passed over at either depth", () => {
  const unknown = Uint8Array.of(0x7b, 0x08, 1, 0x7c, 0x80, 0x01, 1);
  const { headers } = parseResponse(concat(unknown, field(HEADERS, NAME, field(0x12, latin1("b")), unknown)));
  assert.deepEqual(headers, [["a", "b"]]);
});

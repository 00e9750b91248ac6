/** What the demo's page makes of the tap's bytes. Invariant: each byte of an envelope has its place, in order, without a gap. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { anatomy, findWords, readable, readMessage, wordsOf } from "../../demo/wire.js";
import { latin1 } from "../../src/bytes.js";

const field = (number: number, content: string): string =>
  String.fromCharCode((number << 3) | 2, content.length) + content;

test("a message off the wire, its chunks put together", () => {
  const message = readMessage(
    latin1("HTTP/1.1 200 OK\r\nX-A: b\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),
  );
  assert.equal(message?.line, "HTTP/1.1 200 OK");
  assert.deepEqual(message.headers[0], ["x-a", "b"]);
  assert.deepEqual(message.body, latin1("abcde"));
  assert.equal(readMessage(latin1("HTTP/1.1 200 OK\r\nX-A: b\r\n")), undefined);
});

test("the parts of a whole request, and of one that was cut", () => {
  const body = latin1(
    field(1, "k".repeat(8)) + field(2, "e".repeat(80)) + field(3, "n".repeat(16)) + field(4, "c".repeat(40)),
  );
  const sizes = anatomy(body, "application/privatelink", "request").map(({ name, start, end }) => [
    name,
    end - start,
  ]);
  const framing = ["framing", 2];
  const parts = [
    ["key id", 8],
    ["encapsulation", 80],
    ["nonce", 16],
    ["ciphertext", 40],
  ];
  assert.deepEqual(
    sizes,
    parts.flatMap((part) => [framing, part]),
  );
  assert.equal(anatomy(body.subarray(0, 20), "application/privatelink", "request").at(-1)?.end, 20);
});

test("the segments of a stream", () => {
  const preamble = field(1, "n".repeat(16));
  const body = latin1(`${String.fromCharCode(preamble.length)}${preamble}\0\0\0\x03abc\x80\0\0\x02de`);
  const fields = anatomy(body, "application/privatelink-stream", "response");
  assert.deepEqual(
    fields.map(({ name }) => name),
    ["framing", "framing", "nonce", "framing", "ciphertext", "framing", "ciphertext"],
  );
  for (const [at, { start }] of fields.entries()) assert.equal(start, at === 0 ? 0 : fields[at - 1]?.end);
  assert.equal(fields.at(-1)?.end, body.length);
});

test("what is no envelope has no parts", () => {
  assert.deepEqual(anatomy(latin1("{}"), "application/json", "request"), []);
});

test("words are looked for as anyone would: long ones, in what is readable", async () => {
  assert.deepEqual(wordsOf(['{"item": "cocoa", "size": 20000000}', "cocoa /orders"]), ["cocoa", "orders"]);
  const packed = new Blob(["cocoa, cocoa"]).stream().pipeThrough(new CompressionStream("gzip"));
  const body = new Uint8Array(await new Response(packed).arrayBuffer());
  const message = { line: "", headers: [["content-encoding", "gzip"]] as [string, string][], body };
  assert.equal(findWords(["cocoa"], [body]).get("cocoa"), 0);
  assert.equal(findWords(["cocoa"], [await readable(message)]).get("cocoa"), 2);
});

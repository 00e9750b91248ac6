/** Bytes and text: as TextEncoder, TextDecoder and Buffer have it, where those are. */

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  base64url,
  Gathering,
  concat,
  fromBase64url,
  fromLatin1,
  fromUtf8,
  hex,
  isWellFormed,
  latin1,
  u16,
  u32,
  utf8,
  varint,
} from "../src/bytes.js";

const TEXTS = ["", "plain", "caf\u00e9", "\u5317\u4eac", "\u{1f308}", "\ufeffmark", "a\0b", "\u2028"];
const NO_UTF8 = ["ff", "c080", "eda080", "e28c", "f4908080", "80"];

test("UTF-8", () => {
  for (const text of TEXTS) {
    assert.deepEqual(utf8(text), new TextEncoder().encode(text));
    assert.equal(fromUtf8(utf8(text)), text);
  }
  for (const bytes of NO_UTF8) assert.throws(() => fromUtf8(Buffer.from(bytes, "hex")), URIError, bytes);
  assert.throws(() => utf8("\ud83c"), URIError);
  assert.deepEqual([isWellFormed("\u{1f308}"), isWellFormed("\ud83c")], [true, false]);
});

test("latin-1: a character is a byte", () => {
  const all = Uint8Array.from({ length: 256 }, (_, at) => at);
  assert.deepEqual(latin1(fromLatin1(all)), all);
  assert.throws(() => latin1("\u0100"), TypeError);
  assert.throws(() => latin1("\u{1f308}"), TypeError);
});

test("base64url: every value has one text, and a text at most one value", () => {
  for (let length = 0; length < 70; length += 1) {
    const bytes = Uint8Array.from({ length }, (_, at) => (at * 151 + length) % 256);
    assert.equal(base64url(bytes), Buffer.from(bytes).toString("base64url"));
    assert.deepEqual(fromBase64url(base64url(bytes)), bytes);
  }
  for (const text of ["A", "AB", "AA=", "AA==", "+A", "/A", "A A", "AAA\n", "\u00e9A"]) {
    assert.throws(() => fromBase64url(text), TypeError, text);
  }
});

test("numbers", () => {
  assert.equal(hex(concat(u16(0x647a), u32(0x80010203))), "647a80010203");
  assert.deepEqual(
    [0, 127, 128, 300, 2 ** 32].map((number) => hex(varint(number))),
    ["00", "7f", "8001", "ac02", "8080808010"],
  );
});

test("any number of pieces is put together", () => {
  const whole = new Gathering();
  for (let at = 0; at < 300_000; at += 1) whole.add(Uint8Array.of(at, at >> 8).subarray(0, at % 3));
  assert.equal(whole.length, 300_000);
  assert.deepEqual(whole.bytes.subarray(0, 9), Uint8Array.of(1, 2, 0, 4, 5, 0, 7, 8, 0));
});

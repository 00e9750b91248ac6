/**
 * Streams in both directions.
 *
 * Invariant: every piece that opens is delivered, in its place; only the final segment ends a message well; whoever
 * leaves closes the outer exchange.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { concat, fromUtf8, utf8 } from "../../src/bytes.js";
import type { InnerAnswer } from "../../src/link/call.js";
import { call, failure, opening, rejection, text } from "./calls.js";
import type { Page } from "./calls.js";
import { Hang, answer } from "./gateway.js";
import type { Piece } from "./gateway.js";
import type { OuterAnswer } from "../../src/link/carrier.js";

const MENU = "tea, coffee, cocoa";
const STREAM = "application/privatelink-stream";

/** A streamed answer with its outer body's pieces changed: head, three segments, the final one. */
async function streamed(
  change: (pieces: Piece[]) => Piece[],
): Promise<Page & { outer: () => OuterAnswer & { isCanceled: boolean } }> {
  const page = await opening();
  let outer = answer(500, undefined);
  page.gateway.script.push(async (arrived) => {
    const opened = await page.gateway.openedBy(arrived);
    const reply = { status: 203, body: utf8(MENU), trailers: [["x-sum", "9"]] as [string, string][] };
    outer = answer(200, STREAM, ...change(await opened.pieces(reply)));
    return outer;
  });
  return { ...page, outer: () => outer };
}

async function partly({ body }: InnerAnswer): Promise<[string, unknown]> {
  const pieces: Uint8Array[] = [];
  try {
    for await (const piece of body) pieces.push(piece);
    return [fromUtf8(concat(...pieces)), undefined];
  } catch (error) {
    return [fromUtf8(concat(...pieces)), error];
  }
}

test("an answer comes piece by piece, its trailers with the last", async () => {
  const { link, events, outer } = await streamed((pieces) => pieces);
  const answered = await link.exchange(call("GET"));
  assert.equal(answered.status, 203);
  const pieces: string[] = [];
  for await (const piece of answered.body) pieces.push(fromUtf8(piece));
  assert.deepEqual(pieces, ["tea, c", "offee,", " cocoa"]);
  assert.deepEqual(await answered.trailers, [["x-sum", "9"]]);
  assert.equal(outer().isCanceled, false);
  assert.deepEqual(
    events.map(({ outcome, answerForm }) => [outcome, answerForm]),
    [["answered", "streamed"]],
  );
});

test("however the outer body is cut up", async () => {
  for (const step of [1, 7, 100_000]) {
    const { link } = await streamed((pieces) => {
      const whole = concat(...(pieces as Uint8Array[]));
      return Array.from({ length: Math.ceil(whole.length / step) }, (_, at) =>
        whole.subarray(at * step, (at + 1) * step),
      );
    });
    assert.equal(await text(await link.exchange(call("GET"))), MENU);
  }
});

const cuts: Record<string, [(pieces: Piece[]) => Piece[], string, string]> = {
  "ends after its head": [(pieces) => pieces.slice(0, 1), "", "truncated"],
  "ends after a segment": [(pieces) => pieces.slice(0, 3), "tea, coffee,", "truncated"],
  "ends within a segment": [
    (pieces) => [...pieces.slice(0, 2), first(pieces[2]).subarray(0, 9)],
    "tea, c",
    "truncated",
  ],
  "ends before the final segment": [(pieces) => pieces.slice(0, -1), MENU, "truncated"],
  breaks: [(pieces) => [...pieces.slice(0, 3), new Error("reset")], "tea, coffee,", "truncated"],
  "has a segment changed": [
    (pieces) => pieces.map((piece, at) => (at === 2 ? spoiled(piece) : piece)),
    "tea, c",
    "bad-response",
  ],
  "has the final one changed": [
    (pieces) => pieces.map((piece, at) => (at === 4 ? spoiled(piece) : piece)),
    MENU,
    "bad-response",
  ],
  "has two swapped": [(pieces) => [0, 2, 1, 3, 4].map((at) => first(pieces[at])), "", "bad-response"],
  "goes on after its end": [(pieces) => [...pieces, Uint8Array.of(1)], MENU, "bad-response"],
  "has one changed in the first read": [
    (pieces) => [concat(first(pieces[0]), spoiled(pieces[1]))],
    "",
    "bad-response",
  ],
};

for (const [name, [change, opened, code]] of Object.entries(cuts)) {
  test(`an answer that ${name}`, async () => {
    const { link, gateway, events, outer } = await streamed(change);
    const answered = await link.exchange(call("GET"));
    const [read, error] = await partly(answered);
    assert.ok(error instanceof Error && "code" in error && "outcomeUnknown" in error);
    assert.deepEqual([read, error.code, error.outcomeUnknown], [opened, code, true]);
    assert.equal(await rejection(answered.trailers), error);
    assert.deepEqual([events.length, events[0]?.outcome, events[0]?.code], [1, "failed", code]);
    assert.deepEqual([outer().isCanceled, gateway.posts.length], [true, 1]);
  });
}

for (const [name, change, code] of [
  ["is cut before its head", (pieces: Piece[]) => [first(pieces[0]).subarray(0, 40)], "truncated"],
  [
    "breaks before its head",
    (pieces: Piece[]) => [first(pieces[0]).subarray(0, 40), new Error("reset")],
    "truncated",
  ],
  ["has a head that does not open", (pieces: Piece[]) => [spoiled(pieces[0])], "bad-response"],
] as const) {
  test(`an answer that ${name}`, async () => {
    const { link, gateway, outer } = await streamed(change);
    const error = await failure(link.exchange(call("GET")));
    assert.deepEqual([error.code, error.outcomeUnknown, error.requestId], [code, true, "id-1"]);
    assert.deepEqual([outer().isCanceled, gateway.posts.length], [true, 1]);
  });
}

test("what breaks after the final segment changes nothing any more", async () => {
  const { link } = await streamed((pieces) => [...pieces, new Error("reset")]);
  assert.equal(await text(await link.exchange(call("GET"))), MENU);
});

test("a stream may be silent for as long as it likes", async () => {
  const { link, clock } = await streamed((pieces) => [...pieces.slice(0, 2), new Hang()]);
  const { body } = await link.exchange(call("GET"));
  const reader = body[Symbol.asyncIterator]();
  await reader.next();
  assert.equal(clock.waiting, 0);
});

test("whoever leaves closes it: between two pieces, in the middle of a read, and before any", async () => {
  for (const reads of [1, 2, 0]) {
    const { link, events, outer } = await streamed((pieces) => [...pieces.slice(0, 2), new Hang()]);
    const { body, trailers } = await link.exchange(call("GET"));
    const reader = body[Symbol.asyncIterator]();
    const pending = Array.from({ length: reads }, () => reader.next());
    await pending[0];
    const left = reader.return?.();
    assert.equal(outer().isCanceled, true);
    await Promise.allSettled([...pending, left]);
    assert.deepEqual([events.length, events[0]?.outcome], [1, "aborted"]);
    assert.ok((await rejection(trailers)) instanceof Error);
  }
});

test("aborted while its body is read: with the caller's reason", async () => {
  const { link, outer } = await streamed((pieces) => [...pieces.slice(0, 2), new Hang()]);
  const controller = new AbortController();
  const { body } = await link.exchange(call("GET", { signal: controller.signal }));
  const reader = body[Symbol.asyncIterator]();
  await reader.next();
  const pending = rejection(reader.next());
  const reason = new Error("enough");
  controller.abort(reason);
  assert.equal(await pending, reason);
  assert.equal(outer().isCanceled, true);
});

function first(piece: Piece | undefined): Uint8Array {
  if (piece instanceof Uint8Array) return piece;
  throw new Error("expected bytes");
}

function spoiled(piece: Piece | undefined): Uint8Array {
  const copy = new Uint8Array(first(piece));
  return copy.fill((copy.at(-1) ?? 0) ^ 1, -1);
}

/** The event stream format (HTML, 9.2.6) is read the same however it is cut. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { EventStreamReader, type StreamEvent } from "../../src/fetch/eventstream.js";

function read(bytes: Uint8Array, size: number): { events: StreamEvent[]; reader: EventStreamReader } {
  const reader = new EventStreamReader();
  const events: StreamEvent[] = [];
  for (let at = 0; at < bytes.length; at += size)
    events.push(...reader.receive(bytes.subarray(at, at + size)));
  return { events, reader };
}

const message = (data: string, lastEventId = ""): StreamEvent => ({ type: "message", data, lastEventId });

for (const [name, text, expected] of [
  ["one line of data", "data: tea\n\n", [message("tea")]],
  ["several make one event", "data: tea\ndata: milk\n\n", [message("tea\nmilk")]],
  ["a name", "event: price\ndata: 340\n\n", [{ type: "price", data: "340", lastEventId: "" }]],
  [
    "the name is for one event",
    "event: price\ndata: 1\n\ndata: 2\n\n",
    [{ type: "price", data: "1", lastEventId: "" }, message("2")],
  ],
  ["one space after the colon is none of the value", "data:tea\ndata:  milk\n\n", [message("tea\n milk")]],
  ["a field without a colon is empty", "data\n\n", [message("")]],
  ["empty data is data", "data:\n\n", [message("")]],
  ["two empty lines of data", "data\ndata\n\n", [message("\n")]],
  ["comments count for nothing", ": hello\ndata: tea\n:\n\n", [message("tea")]],
  ["fields that nobody knows", "flavor: mint\ndata: tea\nDATA: milk\n data: x\n\n", [message("tea")]],
  ["no data, no event", "event: price\n\nid: 7\n\ndata: tea\n\n", [message("tea", "7")]],
  [
    "an id stays until there is another",
    "id: 7\ndata: a\n\ndata: b\n\nid\ndata: c\n\n",
    [message("a", "7"), message("b", "7"), message("c")],
  ],
  [
    "an id with NUL is none",
    "id: 7\ndata: a\n\nid: 8\0\ndata: b\n\n",
    [message("a", "7"), message("b", "7")],
  ],
  ["an event that the stream ends in", "data: tea\n\ndata: milk\n", [message("tea")]],
  ["CR alone", "data: tea\rdata: milk\r\r", [message("tea\nmilk")]],
  ["CRLF", "data: tea\r\ndata: milk\r\n\r\n", [message("tea\nmilk")]],
  ["all of them", "data: a\r\ndata: b\ndata: c\r\r\ndata: d\n\r\n", [message("a\nb\nc"), message("d")]],
  ["a byte order mark, once", "\ufeffdata: a\n\n\ufeffdata: b\n\ndata: c\n\n", [message("a"), message("c")]],
  ["UTF-8", "data: Tee für 2 € 🍵\n\n", [message("Tee für 2 € 🍵")]],
  ["lines without end", `data: ${"tea ".repeat(500)}\n\n`, [message("tea ".repeat(500))]],
] as const) {
  test(name, () => {
    const bytes = new TextEncoder().encode(text);
    for (const size of [1, 2, 3, 7, bytes.length]) assert.deepEqual(read(bytes, size).events, expected);
  });
}

test("a CR ends its line at once, so that an event does not wait for the next", () => {
  const reader = new EventStreamReader();
  assert.equal([...reader.receive(new TextEncoder().encode("data: tea\r\r"))].length, 1);
});

test("bytes that are no UTF-8 become U+FFFD", () => {
  const bytes = Uint8Array.of(...new TextEncoder().encode("data: "), 0xff, 0x0a, 0x0a);
  assert.deepEqual(read(bytes, 1).events, [message("\ufffd")]);
});

test("retry is a number of milliseconds, and nothing else", () => {
  const retry = (text: string) => read(new TextEncoder().encode(text), 1).reader.retryMs;
  assert.equal(retry("retry: 1500\n"), 1500);
  for (const text of ["retry: 1.5\n", "retry: -1\n", "retry: soon\n", "retry:\n"])
    assert.equal(retry(text), undefined);
  assert.equal(retry("retry: 1500\nretry: soon\n"), 1500);
});

test("an id that no event has ended is not the last one", () => {
  const { reader } = read(new TextEncoder().encode("id: 7\ndata: a\n\nid: 8\ndata: b\n"), 4);
  assert.equal(reader.lastEventId, "7");
});

/** Every type of body arrives byte for byte, with the content type and the length that `fetch` gives it. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { gathered } from "../../src/fetch/pieces.js";
import { field, scene, type Heard } from "./double.js";

const SHOP = "https://shop.example.com/";
const MIB = 2 ** 20;

async function put(body: BodyInit, headers: HeadersInit = {}): Promise<Heard> {
  const { fetch, heard } = scene();
  await fetch(SHOP, {
    method: "PUT",
    body,
    headers,
    ...(body instanceof ReadableStream ? { duplex: "half" } : {}),
  });
  const [call] = heard;
  assert.ok(call);
  return call;
}

function streamOf(...pieces: string[]): ReadableStream<Uint8Array> {
  return new Blob(pieces).stream();
}

for (const [name, body, type, text] of [
  ["a string", "tea, für 2 €", "text/plain;charset=UTF-8", Buffer.from("tea, für 2 €").toString("latin1")],
  ["an empty string", "", "text/plain;charset=UTF-8", ""],
  [
    "URLSearchParams",
    new URLSearchParams({ item: "tea & milk" }),
    /^application\/x-www-form-urlencoded;charset=UTF-8$/,
    "item=tea+%26+milk",
  ],
  ["a Blob", new Blob(["tea"], { type: "image/x-tea" }), "image/x-tea", "tea"],
  ["a Blob without a type", new Blob(["tea"]), undefined, "tea"],
  ["an ArrayBuffer", new TextEncoder().encode("tea").buffer, undefined, "tea"],
  ["a view of a part", new Uint8Array([0, 116, 101, 97, 0]).subarray(1, 4), undefined, "tea"],
  ["a DataView", new DataView(new TextEncoder().encode("tea").buffer), undefined, "tea"],
] as const) {
  test(`${name} is in hand, so that it can be sealed a second time`, async () => {
    const call = await put(body);
    assert.equal(call.text, text);
    assert.ok(call.body instanceof Uint8Array);
    assert.equal(call.length, text.length);
    assert.equal(field(call, "content-length"), String(text.length));
    if (type instanceof RegExp) assert.match(field(call, "content-type") ?? "", type);
    else assert.equal(field(call, "content-type"), type);
  });
}

test("a content type that the caller has set stays", async () => {
  assert.equal(
    field(await put("{}", { "content-type": "application/json" }), "content-type"),
    "application/json",
  );
});

test("FormData is multipart, with the boundary that its type names", async () => {
  const form = new FormData();
  form.set("item", "tea");
  form.set("file", new Blob(["leaves"], { type: "text/x-leaves" }), "leaves.txt");
  const call = await put(form);
  const boundary = /^multipart\/form-data; boundary=(.+)$/.exec(field(call, "content-type") ?? "")?.[1];
  assert.ok(boundary);
  assert.ok(call.text.startsWith(`--${boundary}\r\n`));
  const again = await new Response(call.text, {
    headers: { "content-type": field(call, "content-type") ?? "" },
  }).formData();
  assert.equal(again.get("item"), "tea");
  const file = again.get("file");
  assert.ok(file instanceof File);
  assert.deepEqual([file.name, file.type, await file.text()], ["leaves.txt", "text/x-leaves", "leaves"]);
});

test("a large file is read as it is sent, and as often as it is", async () => {
  const call = await put(new Blob(["a".repeat(MIB), "b".repeat(MIB)], { type: "text/x" }));
  assert.ok(call.body !== null && !(call.body instanceof Uint8Array));
  assert.equal(call.length, 2 * MIB);
  assert.equal(field(call, "content-type"), "text/x");
  const again = await gathered(call.body);
  assert.equal(new TextDecoder().decode(again), "a".repeat(MIB) + "b".repeat(MIB));
});

test("a stream goes as it comes, of a length that nobody knows", async () => {
  const call = await put(streamOf("one ", "two"));
  assert.equal(call.text, "one two");
  assert.equal(call.length, undefined);
  assert.equal(field(call, "content-length"), undefined);
  assert.equal(field(call, "content-type"), undefined);
});

test("a stream is asked for a piece when one is wanted, and not before", async () => {
  const pulled: string[] = [];
  const stream = new ReadableStream<Uint8Array>(
    {
      pull: (controller) => {
        pulled.push("pull");
        if (pulled.length > 3) controller.close();
        else controller.enqueue(new Uint8Array([pulled.length]));
      },
    },
    { highWaterMark: 0 },
  );
  const call = await put(stream);
  assert.equal(call.text, "\u0001\u0002\u0003");
  assert.equal(pulled.length, 4);
});

test("a stream needs duplex, can't be locked or read from, and has bytes in it", async () => {
  const { fetch, heard } = scene();
  const locked = streamOf("tea");
  locked.getReader();
  const read = streamOf("tea");
  const reader = read.getReader();
  await reader.read();
  reader.releaseLock();
  await assert.rejects(fetch(SHOP, { method: "PUT", body: streamOf("tea") }), TypeError);
  await assert.rejects(fetch(SHOP, { method: "PUT", body: locked, duplex: "half" }), TypeError);
  await assert.rejects(fetch(SHOP, { method: "PUT", body: read, duplex: "half" }), TypeError);
  await assert.rejects(
    fetch(SHOP, { method: "PUT", body: streamOf(), duplex: "half", keepalive: true }),
    TypeError,
  );
  const text = new ReadableStream({
    start: (controller) => {
      controller.enqueue("tea");
    },
  });
  await assert.rejects(fetch(SHOP, { method: "PUT", body: text, duplex: "half" }), TypeError);
  assert.equal(heard.length, 0);
});

test("an error of the caller's own stream is the cause of the failure", async () => {
  const { fetch } = scene();
  const error = new RangeError("no more tea");
  const stream = new ReadableStream({
    pull: () => {
      throw error;
    },
  });
  await assert.rejects(fetch(SHOP, { method: "PUT", body: stream, duplex: "half" }), (thrown) => {
    return thrown instanceof TypeError && thrown.cause === error;
  });
});

test("the body of a given Request is read if it is short, and streams if it is long", async () => {
  const { fetch, heard } = scene();
  await fetch(new Request(SHOP, { method: "PUT", body: "tea" }));
  const init: RequestInit & { duplex: "half" } = {
    method: "PUT",
    body: streamOf("t".repeat(3 * MIB)),
    duplex: "half",
  };
  await fetch(new Request(SHOP, init));
  assert.ok(heard[0]?.body instanceof Uint8Array);
  assert.deepEqual([heard[0].length, heard[0].text], [3, "tea"]);
  assert.deepEqual([heard[1]?.length, heard[1]?.text.length], [undefined, 3 * MIB]);
});

test("without a body, the length is told where one is usual", async () => {
  const { fetch, heard } = scene();
  for (const method of ["POST", "PUT", "DELETE", "GET"]) await fetch(SHOP, { method });
  assert.deepEqual(
    heard.map((call) => field(call, "content-length")),
    ["0", "0", undefined, undefined],
  );
});

test("progress is told when it has moved", async () => {
  const told: unknown[] = [];
  const { fetch } = scene();
  const link = scene((call) => {
    for (const [sent, total] of [
      [0, 3],
      [0, 3],
      [3, 3],
    ] as const)
      call.onProgress?.(sent, total);
    call.onProgress?.(4);
    return {};
  });
  await link.fetch(SHOP, { method: "PUT", body: "tea", onUploadProgress: (progress) => told.push(progress) });
  assert.deepEqual(told, [{ loaded: 0, total: 3 }, { loaded: 3, total: 3 }, { loaded: 4 }]);
  await fetch(SHOP, { onUploadProgress: (progress) => told.push(progress) });
  assert.equal(told.length, 3);
});

/** An EventSource over the link does as the platform's own (HTML, 9.2). */

import assert from "node:assert/strict";
import { once } from "node:events";
import { test, type TestContext } from "node:test";
import { LinkError } from "../../src/errors.js";
import { createEventSource, type LinkEventSourceInit } from "../../src/fetch/eventsource.js";
import { field, scene, type Answer, type Heard } from "./double.js";

const EVENTS = "https://shop.example.com/events";
const STREAM = { "content-type": "text/event-stream" };

interface Watched {
  source: EventSource;
  heard: Heard[];
  /** Types of the events that came, and their data. */
  seen: string[];
  next: (type: string) => Promise<Event & { error?: unknown }>;
}

/** `answers`: of one connection after another; the last one again and again. */
function watch(t: TestContext, answers: (Answer | Error)[], init?: LinkEventSourceInit): Watched {
  const { fetch, heard } = scene((_, at) => {
    const answer = answers[Math.min(at, answers.length - 1)] ?? {};
    if (answer instanceof Error) throw answer;
    return answer;
  });
  const source = createEventSource(fetch, EVENTS, init);
  t.after(() => {
    source.close();
  });
  const next = (type: string) =>
    new Promise<Event>((resolve) => {
      source.addEventListener(type, resolve, { once: true });
    });
  const seen: string[] = [];
  for (const type of ["open", "message", "price", "error"]) {
    source.addEventListener(type, (event: Event) => {
      seen.push(event instanceof MessageEvent ? `${type} ${String(event.data)}` : type);
    });
  }
  return { source, heard, seen, next };
}

/** Says this, and then nothing for as long as it is listened to. */
async function* andWait(text: string): AsyncIterable<string> {
  yield text;
  await new Promise(() => undefined);
}

test("it opens, and events come one by one", async (t) => {
  const body = andWait("data: tea\nid: 7\n\nevent: price\ndata: 340\n\n");
  const { source, heard, seen, next } = watch(t, [{ headers: STREAM, body }]);
  assert.deepEqual(
    [source.readyState, source.url, source.withCredentials],
    [source.CONNECTING, EVENTS, false],
  );
  const [message] = await Promise.all([next("message"), next("price")]);
  assert.ok(message instanceof MessageEvent);
  assert.deepEqual(
    [message.data, message.lastEventId, message.origin],
    ["tea", "7", "https://shop.example.com"],
  );
  assert.equal(source.readyState, source.OPEN);
  assert.deepEqual(seen, ["open", "message tea", "price 340"]);
  const [call] = heard;
  assert.deepEqual(
    [call?.method, field(call, "accept"), field(call, "cache-control")],
    ["GET", "text/event-stream", "no-cache"],
  );
  assert.equal(call?.timeoutMs, 0);
  assert.equal(field(call, "last-event-id"), undefined);
});

test("handlers are called as listeners are", async (t) => {
  const { source, next } = watch(t, [{ headers: STREAM, body: andWait("data: tea\n\n") }]);
  const called: unknown[] = [];
  source.onopen = function () {
    called.push(this === source);
  };
  source.onmessage = ({ data }) => called.push(data);
  await next("message");
  assert.deepEqual(called, [true, "tea"]);
});

test("when the stream ends it comes back, after as long as the stream has said, with the last id", async (t) => {
  const first = { headers: STREAM, body: "retry: 1\nid: sieben €\ndata: tea\n\n" };
  const second = { headers: STREAM, body: andWait("data: milk\n\n") };
  const { source, heard, seen, next } = watch(t, [first, second]);
  await next("error");
  assert.equal(source.readyState, source.CONNECTING);
  await next("message");
  assert.deepEqual(seen, ["open", "message tea", "error", "open", "message milk"]);
  const id = Buffer.from(field(heard[1], "last-event-id") ?? "", "latin1").toString();
  assert.equal(id, "sieben €");
});

test("after a failure of the network, or of the link, it comes back", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const failures = [
    new TypeError("offline"),
    new LinkError("truncated", "cut"),
    new LinkError("directory", "late"),
  ];
  const { seen, next } = watch(t, [...failures, { headers: STREAM, body: andWait("data: tea\n\n") }]);
  for (const [at, failure] of failures.entries()) {
    const { error } = await next("error");
    assert.equal(error, failure);
    await Promise.resolve();
    t.mock.timers.tick(3000 * 2 ** at - 1); // each time it waits twice as long
    await new Promise(setImmediate);
    assert.equal(seen.length, at + 1);
    t.mock.timers.tick(1);
  }
  await next("message");
  assert.deepEqual(seen, ["error", "error", "error", "open", "message tea"]);
});

for (const [retry, waits] of [
  ["9".repeat(400), [2 ** 31 - 1]],
  ["0", [1, 2, 4, 8]], // after its end, and then after one failure and another
] as const) {
  test(`a stream that asks for ${retry.slice(0, 9)} ms is not asked again and again at once`, async (t) => {
    const before = globalThis.setTimeout;
    const set = t.mock.method(globalThis, "setTimeout", (run: () => void) => before(run, 0));
    const { source } = watch(t, [{ headers: STREAM, body: `retry: ${retry}\n\n` }, new TypeError("offline")]);
    await new Promise<void>((resolve) => {
      source.onerror = () => {
        if (set.mock.callCount() === waits.length) resolve();
      };
    });
    const asked = set.mock.calls.map((call) => (call.arguments as unknown[])[1]);
    assert.deepEqual(asked.slice(0, waits.length), waits);
  });
}

for (const [name, answer] of [
  ["204", { status: 204 }],
  ["404", { status: 404, headers: STREAM }],
  ["another content type", { headers: { "content-type": "text/plain" } }],
  ["no content type", {}],
  ["a refusal of the gateway's", new LinkError("not-permitted", "refused", { fault: "not-permitted" })],
] as const) {
  test(`${name} is the end of it`, async (t) => {
    const { source, heard, seen, next } = watch(t, [answer]);
    const { error } = await next("error");
    assert.ok(error instanceof Error);
    await new Promise(setImmediate);
    assert.equal(source.readyState, source.CLOSED);
    assert.deepEqual([seen, heard.length], [["error"], 1]);
  });
}

test("a content type may have parameters, and any case", async (t) => {
  const headers = { "content-type": "Text/Event-Stream; charset=utf-8" };
  await watch(t, [{ headers, body: andWait("data: tea\n\n") }]).next("message");
});

test("closed, it says nothing more, and its exchange has ended", async (t) => {
  const body = andWait("data: tea\n\ndata: milk\n\n");
  const { source, heard, seen } = watch(t, [{ headers: STREAM, body }]);
  source.onmessage = () => {
    source.close();
  };
  await once(source, "message");
  await new Promise(setImmediate);
  assert.equal(source.readyState, source.CLOSED);
  assert.equal(heard[0]?.signal?.aborted, true);
  assert.deepEqual(seen, ["open", "message tea"]);
});

test("closed while it waits to come back, it does not", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { source, heard, next } = watch(t, [new TypeError("offline")]);
  await next("error");
  source.close();
  t.mock.timers.tick(60_000);
  await new Promise(setImmediate);
  assert.equal(heard.length, 1);
});

test("credentials and headers are the caller's", async (t) => {
  const init = { withCredentials: true, headers: { authorization: "Bearer t" } };
  const { source, heard, next } = watch(t, [{ headers: STREAM, body: andWait("data: tea\n\n") }], init);
  await next("message");
  assert.equal(source.withCredentials, true);
  assert.deepEqual([heard[0]?.credentials, field(heard[0], "authorization")], ["include", "Bearer t"]);
});

test("a URL that is none is a SyntaxError at once", () => {
  assert.throws(() => createEventSource(scene().fetch, "no url"), { name: "SyntaxError" });
});

test("a relative URL is relative to the base of its fetch", (t) => {
  const source = createEventSource(scene(undefined, "https://shop.example.com/app/").fetch, "events");
  t.after(() => {
    source.close();
  });
  assert.equal(source.url, "https://shop.example.com/app/events");
});

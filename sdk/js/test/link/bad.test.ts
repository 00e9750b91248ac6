/**
 * A double of a gateway that answers anything but what it should.
 *
 * Invariant: each has its own code, none shows a part as the whole, nothing is sent in the clear, and what may have
 * run is never denied.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { latin1 } from "../../src/bytes.js";
import type { OuterAnswer } from "../../src/link/carrier.js";
import { bytes, call, failure, opening, text } from "./calls.js";
import type { Clock } from "./clock.js";
import { Hang, answer, keysAnswer, problem } from "./gateway.js";
import type { Gateway, Script } from "./gateway.js";
import { Root } from "./unsealing.js";

const WHOLE = "application/privatelink";
const STREAM = "application/privatelink-stream";
const JSON_PROBLEM = "application/problem+json";
const HTML = latin1("<html>Log in");

const UNSEALED: Record<string, [OuterAnswer, string]> = {
  "500": [answer(500, "text/plain", latin1("boom")), "gateway"],
  "504 without a type": [answer(504, undefined), "gateway"],
  "HTML of a captive portal": [answer(200, "text/html", HTML), "not-sealed"],
  "HTML of an error": [answer(502, "text/html", HTML), "gateway"],
  "no content": [answer(204, undefined), "not-sealed"],
  "a redirect": [answer(307, undefined), "gateway"],
  "an opaque redirect": [answer(0, undefined), "gateway"],
  "sealed, but 503": [answer(503, WHOLE, latin1("x")), "gateway"],
  "another media type": [answer(200, `${WHOLE}+json`), "not-sealed"],
  "other letters": [answer(200, "Application/Privatelink"), "not-sealed"],
  "a parameter in front": [answer(200, `text/plain; ${WHOLE}`), "not-sealed"],
  "a problem of another kind": [answer(400, JSON_PROBLEM, latin1('{"type":"about:blank"}')), "gateway"],
  "a problem without a type": [answer(400, JSON_PROBLEM, latin1("[]")), "gateway"],
  "a problem that is no JSON": [answer(400, JSON_PROBLEM, latin1("{")), "gateway"],
  "a problem that is long": [answer(400, JSON_PROBLEM, new Uint8Array(5000).fill(32)), "gateway"],
  "a fault outside the seal": [problem("replayed", 409), "gateway"],
  "a problem without its prefix": [answer(400, JSON_PROBLEM, latin1('{"type":"unknown-key"}')), "gateway"],
  "a problem as HTML": [answer(400, "text/html", latin1('{"type":"unknown-key"}')), "gateway"],
  "what does not open": [answer(200, WHOLE, latin1("nonsense")), "bad-response"],
  "nothing, sealed": [answer(200, WHOLE), "bad-response"],
  "a stream of nothing": [answer(200, STREAM), "truncated"],
  "a stream of nonsense": [answer(200, STREAM, new Uint8Array(99).fill(255)), "bad-response"],
};

for (const [name, [outer, code]] of Object.entries(UNSEALED)) {
  test(`an answer outside the seal: ${name}`, async () => {
    const { gateway, link } = await opening();
    gateway.script.push(() => Promise.resolve(outer));
    const error = await failure(link.exchange(call("GET")));
    assert.deepEqual([error.code, error.fault, error.outcomeUnknown], [code, undefined, true]);
    assert.equal(error.requestId, "id-1");
    assert.deepEqual([gateway.posts.length, gateway.fetches.length], [1, 1]);
    assert.equal(await text(await link.exchange(call("POST"))), "tea");
  });
}

for (const code of ["bad-envelope", "too-large", "media-type", "method", "origin"]) {
  test(`a problem is hearsay: ${code}`, async () => {
    const { gateway, link } = await opening();
    gateway.script.push(() => Promise.resolve(problem(code)));
    const error = await failure(link.exchange(call("POST")));
    assert.deepEqual([error.code, error.outcomeUnknown, gateway.posts.length], [code, true, 1]);
  });
}

test("nothing: the connection breaks, before an answer and within one", async () => {
  for (const outer of [undefined, answer(200, WHOLE, latin1("n"), new Error("reset"))]) {
    const { gateway, link } = await opening();
    gateway.script.push(() => (outer ? Promise.resolve(outer) : Promise.reject(new Error("reset"))));
    const error = await failure(link.exchange(call("POST")));
    assert.deepEqual([error.code, error.outcomeUnknown], ["network", true]);
    assert.match(String(error.cause), /reset/);
  }
});

const hanging: Record<string, (hang: Hang) => Script> = {
  "before it answers": (hang) => () => {
    hang.reached();
    return new Promise(() => undefined);
  },
  "within a whole answer": (hang) => () => Promise.resolve(answer(200, WHOLE, latin1("n"), hang)),
  "before a stream's head": (hang) => () => Promise.resolve(answer(200, STREAM, hang)),
  "within a problem": (hang) => () => Promise.resolve(answer(400, JSON_PROBLEM, hang)),
};

for (const [name, script] of Object.entries(hanging)) {
  test(`it hangs: ${name}`, async () => {
    const { gateway, link, clock } = await opening();
    const hang = new Hang();
    gateway.script.push(script(hang));
    const exchange = failure(link.exchange(call("POST", { timeoutMs: 5000 })));
    await hang.isReached;
    clock.advance(5100); // the envelope's own bytes are allowed some time as well
    const error = await exchange;
    assert.deepEqual([error.code, error.outcomeUnknown], ["timeout", true]);
    assert.deepEqual([gateway.posts[0]?.signal?.aborted, clock.waiting], [true, 0]);
  });
}

test("a GET that hangs is sent once more, within 60 s", async () => {
  for (const [timeoutMs, sealings] of [
    [5000, 2],
    [60_000, 1],
  ] as const) {
    const { gateway, link, clock } = await opening({ timeoutMs });
    gateway.script.push(() => new Promise(() => undefined));
    const exchange = link.exchange(call("GET"));
    const ended = exchange.catch(() => undefined);
    await gateway.arrival();
    clock.advance(timeoutMs + 100); // the envelope's own bytes are allowed some time as well
    await ended;
    assert.equal(gateway.posts.length, sealings);
  }
});

test("an answer to another request", async () => {
  const { gateway, link } = await opening();
  const kept: OuterAnswer[] = [];
  gateway.script.push(async (arrived) => {
    const opened = await gateway.openedBy(arrived);
    kept.push(answer(200, WHOLE, await opened.sealed({})));
    return answer(200, WHOLE, await opened.sealed({}));
  });
  await link.exchange(call("POST"));
  gateway.script.push(() => Promise.resolve(kept[0] ?? answer(500, undefined)));
  assert.equal((await failure(link.exchange(call("POST")))).code, "bad-response");
});

for (const [name, reply] of [
  ["status 0", { status: 0 }],
  ["status 101", { status: 101 }],
  ["status 600", { status: 600 }],
  ["a header with a line break", { headers: [["x-a", "1\r\nset-cookie: b=2"]] }],
  ["a header in capitals", { headers: [["X-A", "1"]] }],
  ["a trailer with white space", { trailers: [["x-a", " 1"]] }],
  ["an unknown fault", { fault: "no-such-fault" }],
] as const) {
  test(`sealed and malformed: ${name}`, async () => {
    for (const streams of [false, true]) {
      const { gateway, link } = await opening();
      gateway.streams = streams;
      gateway.script.push(gateway.replying(JSON.parse(JSON.stringify(reply)) as object));
      const read = link.exchange(call("POST")).then(({ body }) => bytes(body));
      const error = await failure(read);
      assert.deepEqual([error.code, error.outcomeUnknown], ["bad-response", true]);
    }
  });
}

type Keys = (gateway: Gateway, clock: Clock) => Promise<OuterAnswer>;

const DIRECTORIES: Record<string, [Keys, string]> = {
  HTML: [() => Promise.resolve(answer(200, "text/html", HTML)), "not-sealed"],
  "500": [() => Promise.resolve(answer(500, undefined)), "gateway"],
  nothing: [() => Promise.reject(new Error("refused")), "network"],
  nonsense: [() => Promise.resolve(keysAnswer(latin1("nonsense"))), "directory"],
  "too long": [() => Promise.resolve(keysAnswer(new Uint8Array(2 ** 18 + 1))), "directory"],
  unsigned: [async (gateway) => keysAnswer(flipped(await gateway.signed())), "directory-unsigned"],
  "another root": [
    async (gateway) => keysAnswer(await gateway.signed({}, new Root())),
    "directory-untrusted",
  ],
  expired: [
    async (gateway, clock) =>
      keysAnswer(await gateway.signed({ issuedAt: clock.now - 99, expiresAt: clock.now })),
    "directory-expired",
  ],
  "of the future": [
    async (gateway, clock) => keysAnswer(await gateway.signed({ issuedAt: clock.now + 86_401 })),
    "directory-early",
  ],
  "another link": [
    async (gateway) => keysAnswer(await gateway.signed({ links: ["https://other.example.com"] })),
    "directory-other-link",
  ],
  "no keys": [
    async (gateway) => keysAnswer(await gateway.signed({ serial: 0, keys: [] })),
    "directory-no-key",
  ],
};

for (const [name, [keys, code]] of Object.entries(DIRECTORIES)) {
  test(`a directory that is ${name}`, async () => {
    const { gateway, link, clock } = await opening();
    gateway.directories.push(() => keys(gateway, clock));
    const error = await failure(link.exchange(call("POST")));
    assert.deepEqual([error.code, error.outcomeUnknown], [code, false]);
    assert.deepEqual([gateway.posts.length, gateway.fetches.length], [0, 1]);
    assert.equal(await text(await link.exchange(call("POST"))), "tea", "and the next one finds a good one");
  });
}

test("a directory that does not come", async () => {
  const { gateway, link, clock } = await opening();
  gateway.directories.push(() => new Promise(() => undefined));
  const exchange = failure(link.exchange(call("POST")));
  await gateway.arrival("GET");
  clock.advance(60_000);
  const error = await exchange;
  assert.deepEqual([error.code, error.outcomeUnknown], ["timeout", false]);
});

function flipped(signed: Uint8Array): Uint8Array {
  const copy = new Uint8Array(signed);
  return copy.fill((copy.at(-1) ?? 0) ^ 1, -1);
}

test("an answer in more pieces than a call has room for arguments", async () => {
  const { gateway, link } = await opening();
  gateway.upstream = () => ({ body: new Uint8Array(200_000).fill(7) });
  gateway.script.push(async (arrived) => {
    const { body, ...outer } = await gateway.answer(arrived);
    return { ...outer, body: byByte(body) };
  });
  assert.equal((await bytes((await link.exchange(call("GET"))).body)).length, 200_000);
});

async function* byByte(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const piece of body) for (const byte of piece) yield Uint8Array.of(byte);
}

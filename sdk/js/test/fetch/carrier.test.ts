/**
 * The browser's carrier, over sockets as far as Node has what browsers have. Where it differs from them, in that it
 * streams over HTTP/1.1 and has no XMLHttpRequest, a double of `fetch` does as Chromium does; test/browser/ has the
 * real one.
 */

import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import { after, before, test, type TestContext } from "node:test";
import { browserCarrier } from "../../src/fetch/carrier.js";
import { gathered } from "../../src/fetch/pieces.js";
import { Breaker } from "../../src/link/abort.js";
import type { OuterRequest } from "../../src/link/carrier.js";
import { authorityOf, listen } from "../listening.js";

interface Arrived {
  method: string | undefined;
  headers: http.IncomingHttpHeaders;
  body: string;
}

const arrived: Arrived[] = [];
let answering: (response: http.ServerResponse) => void;
let origin: string;
const server = http.createServer((request, response) => {
  const pieces: Buffer[] = [];
  request.on("data", (piece: Buffer) => pieces.push(piece));
  request.on("end", () => {
    const { method, headers } = request;
    arrived.push({ method, headers, body: Buffer.concat(pieces).toString() });
    answering(response);
  });
});

before(async () => {
  await listen(server);
  origin = `http://${authorityOf(server)}`;
});

after(() => {
  server.close();
  server.closeAllConnections();
});

function outer(more: Partial<OuterRequest> = {}): OuterRequest {
  const headers = { "content-type": "application/privatelink-stream" };
  return { method: "POST", url: `${origin}/_link`, headers, credentials: "include", ...more };
}

async function* pieces(...texts: string[]): AsyncGenerator<Uint8Array, void, undefined> {
  for (const text of texts) yield await Promise.resolve(new TextEncoder().encode(text));
}

function last(): Arrived {
  const found = arrived.at(-1);
  assert.ok(found);
  return found;
}

test("status, headers and body of an answer, and a request without a referer", async () => {
  answering = (response) => response.writeHead(404, { "x-request-id": "r1" }).end("tea");
  const answer = await browserCarrier().send(outer({ body: new TextEncoder().encode("milk") }));
  assert.equal(answer.status, 404);
  assert.deepEqual([answer.header("x-request-id"), answer.header("x-other")], ["r1", undefined]);
  assert.equal(new TextDecoder().decode(await gathered(answer.body)), "tea");
  const { method, headers, body: sent } = last();
  assert.deepEqual([method, headers.referer, sent], ["POST", undefined, "milk"]);
});

test("an answer without a body has no pieces", async () => {
  answering = (response) => response.writeHead(204).end();
  const { body } = await browserCarrier().send(outer({ method: "GET", headers: {} }));
  assert.equal((await gathered(body)).length, 0);
});

test("a fresh answer is asked of the gateway, past HTTP caches", async () => {
  answering = (response) => response.end();
  await browserCarrier().send(outer({ method: "GET", headers: {}, fresh: true }));
  assert.equal(last().headers["cache-control"], "no-cache");
});

test("no redirect is followed", async () => {
  answering = (response) => response.writeHead(307, { location: "/elsewhere" }).end();
  const before = arrived.length;
  await assert.rejects(browserCarrier().send(outer({ body: new Uint8Array(1) })), TypeError);
  assert.equal(arrived.length, before + 1);
});

test("a stream goes as it comes, and its progress is told", async () => {
  answering = (response) => response.end();
  const told: number[] = [];
  await browserCarrier().send(outer({ body: pieces("te", "a"), onProgress: (sent) => told.push(sent) }));
  assert.equal(last().body, "tea");
  assert.equal(last().headers["transfer-encoding"], "chunked");
  assert.deepEqual(told, [2, 3]);
});

test("what the body itself throws is what the carrier rejects with", async () => {
  const error = new RangeError("no more tea");
  const body = async function* () {
    yield* pieces("te");
    throw error;
  };
  const before = arrived.length;
  await assert.rejects(browserCarrier().send(outer({ body: body() })), error);
  assert.equal(arrived.length, before);
});

test("a canceled answer is read no more, in the midst of a read too", async () => {
  let closed: Promise<unknown> = Promise.resolve();
  answering = (response) => {
    closed = once(response, "close");
    response.write("te");
  };
  const answer = await browserCarrier().send(outer({ body: new Uint8Array(1) }));
  const iterator = answer.body[Symbol.asyncIterator]();
  await iterator.next();
  const next = iterator.next();
  answer.cancel();
  assert.equal((await next).done, true);
  await closed;
});

test("an aborted request closes its connection", async () => {
  const signal = new Breaker(); // the link's own, which is no AbortSignal
  const closed = new Promise((resolve) => {
    answering = (response) => {
      response.once("close", resolve);
      signal.abort(new Error("changed my mind"));
    };
  });
  await assert.rejects(browserCarrier().send(outer({ body: new Uint8Array(1), signal })), /changed my mind/);
  await closed;
});

test("a request that was aborted before does not leave", async () => {
  const signal = new Breaker();
  signal.abort(new Error("changed my mind"));
  const before = arrived.length;
  await assert.rejects(browserCarrier().send(outer({ body: new Uint8Array(1), signal })), /changed my mind/);
  assert.equal(arrived.length, before);
});

test("a page may put something else in the place of fetch", async (t) => {
  answering = (response) => response.end();
  const carrier = browserCarrier();
  t.mock.method(globalThis, "fetch", () => Promise.reject(new Error("not the platform's")));
  assert.equal((await carrier.send(outer({ body: new Uint8Array(1) }))).status, 200);
});

/** As Chromium over HTTP/1.1: a stream fails when it has connected, and before it is asked for anything. */
function failingStreams(t: TestContext, begin = false): { streams: number } {
  const tried = { streams: 0 };
  const { fetch } = globalThis;
  t.mock.method(globalThis, "fetch", async (url: string, init: RequestInit) => {
    if (!(init.body instanceof ReadableStream)) return fetch(url, init);
    tried.streams += 1;
    if (begin) await init.body.getReader().read();
    throw new TypeError("Failed to fetch");
  });
  return tried;
}

test("a gateway that takes no streams gets the body whole, once; and is asked no more", async (t) => {
  answering = (response) => response.end();
  const tried = failingStreams(t);
  const carrier = browserCarrier();
  const before = arrived.length;
  for (const text of ["tea", "milk"]) {
    await carrier.send(outer({ body: pieces(text.slice(0, 2), text.slice(2)) }));
    assert.equal(last().body, text);
    assert.equal(last().headers["content-length"], String(text.length));
  }
  assert.equal(arrived.length, before + 2);
  assert.equal(tried.streams, 1);
});

test("a stream that fails when any of it may have left is not sent again", async (t) => {
  answering = (response) => response.end();
  failingStreams(t, true);
  const before = arrived.length;
  await assert.rejects(browserCarrier().send(outer({ body: pieces("tea") })), { message: "Failed to fetch" });
  assert.equal(arrived.length, before);
});

test("a gateway that is not there at all is not known for one that takes no streams", async (t) => {
  const tried = failingStreams(t);
  const carrier = browserCarrier();
  const nowhere = outer({ body: pieces("tea"), url: "http://127.0.0.1:9/_link" });
  for (let time = 1; time <= 2; time++) {
    await assert.rejects(carrier.send(nowhere), TypeError);
    assert.equal(tried.streams, time);
  }
});

test("what is aborted is not gathered", async (t) => {
  failingStreams(t);
  const read: string[] = [];
  const body = async function* () {
    read.push("read");
    yield* pieces("tea");
  };
  await assert.rejects(browserCarrier().send(outer({ body: body(), signal: AbortSignal.abort() })));
  assert.deepEqual(read, []);
});

test("where nothing tells of progress, the end does", async () => {
  answering = (response) => response.end();
  const told: unknown[] = [];
  const onProgress = (sent: number, total?: number) => void told.push([sent, total]);
  await browserCarrier().send(outer({ body: new Uint8Array(5), onProgress }));
  assert.deepEqual(told, [[5, 5]]);
});

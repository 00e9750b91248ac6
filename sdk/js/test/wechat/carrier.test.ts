/** What `wx.request` does with an outer request, and what it makes of an answer: over sockets, by the double of `wx`. */

import assert from "node:assert/strict";
import http from "node:http";
import { after, before, test } from "node:test";
import { Breaker } from "../../src/link/abort.js";
import type { OuterRequest } from "../../src/link/carrier.js";
import { wxCarrier } from "../../src/wechat/carrier.js";
import { Jar } from "../../src/wechat/jar.js";
import { doubleOfWx, type Double, type Quirks } from "./double.js";
import { authorityOf, listen } from "../listening.js";

const STREAM = "application/privatelink-stream";
let origin: string;
let answering: (request: http.IncomingMessage, response: http.ServerResponse) => void;
const server = http.createServer((request, response) => {
  answering(request, response);
});

before(async () => {
  await listen(server);
  origin = `http://${authorityOf(server)}`;
});

after(() => {
  server.close();
  server.closeAllConnections();
});

function carrier(quirks?: Quirks) {
  const { wx, seen, storage } = doubleOfWx(quirks);
  const jar = new Jar(asKeyValue(storage), origin, Date.now);
  return { carrier: wxCarrier(wx, jar), seen, jar };
}

function asKeyValue(storage: Double["storage"]): ConstructorParameters<typeof Jar>[0] {
  const get = (key: string) => storage.get(key);
  const set = (key: string, text: string) => storage.set(key, text);
  return { get, set, remove: (key) => storage.delete(key) };
}

function post(body = new Uint8Array(), more: Partial<OuterRequest> = {}): OuterRequest {
  const headers = { "content-type": "application/privatelink" };
  return { method: "POST", url: `${origin}/_link`, headers, body, credentials: "include", ...more };
}

async function whole(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of body) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** Undefined: it has ended. */
async function next(pieces: AsyncIterator<Uint8Array, unknown>): Promise<string | undefined> {
  const result = await pieces.next();
  return result.done ? undefined : String(Buffer.from(result.value));
}

test("bytes leave and come as they are, in a view's own bounds", async () => {
  const arrived: Buffer[] = [];
  answering = (request, response) => {
    request.on("data", (piece: Buffer) => arrived.push(piece));
    request.on("end", () => response.writeHead(200, { "X-Request-Id": "7" }).end(Buffer.from([0, 255, 128])));
  };
  const { carrier: carried, seen } = carrier({ withNamesAsSent: true });
  const answer = await carried.send(post(Uint8Array.of(9, 1, 0, 255, 9).subarray(1, 4)));
  assert.deepEqual(Buffer.concat(arrived), Buffer.from([1, 0, 255]));
  assert.equal(answer.status, 200);
  assert.equal(answer.header("x-request-id"), "7");
  assert.deepEqual(await whole(answer.body), Buffer.from([0, 255, 128]));
  assert.equal(seen[0]?.header["content-type"], "application/privatelink");
});

for (const quirks of [{}, { withoutStatus: true }]) {
  test(`a stream's pieces come one by one, ${JSON.stringify(quirks)}`, async () => {
    let response: http.ServerResponse | undefined;
    answering = (_, it) => {
      response = it.writeHead(200, { "content-type": STREAM });
      response.write("one");
    };
    const answer = await carrier(quirks).carrier.send(post());
    const pieces = answer.body[Symbol.asyncIterator]();
    assert.equal(await next(pieces), "one");
    response?.write("two"); // only when the first has been read
    assert.equal(await next(pieces), "two");
    response?.end();
    assert.equal(await next(pieces), undefined);
  });
}

test("without enableChunked, and in the developer tools, a whole answer comes at its end", async () => {
  answering = (_, response) =>
    response.writeHead(400, { "content-type": "application/problem+json" }).end("{}");
  for (const quirks of [{ withoutChunks: true }, { withoutStatus: true }]) {
    const answer = await carrier(quirks).carrier.send(post());
    assert.equal(answer.status, 400);
    assert.equal(String(await whole(answer.body)), "{}");
  }
});

test("a redirect is an answer, and is not followed", async () => {
  const asked: unknown[] = [];
  answering = (request, response) => {
    asked.push(request.url);
    response.writeHead(307, { location: "/elsewhere" }).end("moved");
  };
  const answer = await carrier().carrier.send(post());
  assert.equal(answer.status, 307);
  assert.equal(String(await whole(answer.body)), "");
  assert.deepEqual(asked, ["/_link"]);
});

test("cookies go back where credentials do, and nowhere else", async () => {
  const cookies: unknown[] = [];
  answering = (request, response) => {
    cookies.push(request.headers.cookie);
    response.writeHead(200, { "set-cookie": ["a=1; Path=/_link; Max-Age=60", "b=2; Path=/other"] }).end();
  };
  const { carrier: carried } = carrier();
  for (const credentials of ["omit", "include", "include", "omit"] as const) {
    await whole((await carried.send(post(undefined, { credentials }))).body);
  }
  assert.deepEqual(cookies, [undefined, undefined, "a=1", undefined]);
});

test("past HTTP caches, when that is asked for", async () => {
  const asked: unknown[] = [];
  answering = (request, response) => {
    asked.push(request.headers["cache-control"]);
    response.end();
  };
  const { carrier: carried } = carrier();
  for (const fresh of [false, true]) {
    const get: OuterRequest = {
      method: "GET",
      url: `${origin}/_link/keys`,
      headers: {},
      credentials: "omit",
      fresh,
    };
    assert.equal((await carried.send(get)).status, 200);
  }
  assert.deepEqual(asked, [undefined, "no-cache"]);
});

test("a connection that breaks is a failure: before the head of the sending, after it of the reading", async () => {
  answering = (request) => request.socket.destroy();
  await assert.rejects(carrier().carrier.send(post()), /^Error: request:fail /);
  answering = (request, response) => {
    response.writeHead(200, { "content-type": STREAM }).write("one", () => request.socket.destroy());
  };
  const answer = await carrier().carrier.send(post());
  await assert.rejects(whole(answer.body), /^Error: request:fail /);
});

test("an abort closes the connection: before the head, after it, and by leaving", async () => {
  const breaker = new Breaker();
  const isFirstClosed = new Promise((resolve) => {
    answering = (request) => {
      request.on("close", resolve);
      breaker.abort("enough");
    };
  });
  await assert.rejects(carrier().carrier.send(post(undefined, { signal: breaker })));
  await isFirstClosed;
  const leave = [
    (body: AsyncIterator<Uint8Array>) => body.return?.(),
    (_: unknown, cancel: () => void) => {
      cancel();
      return Promise.resolve();
    },
  ];
  for (const how of leave) {
    const closed = new Promise((resolve) => {
      answering = (request, response) => {
        request.on("close", resolve);
        response.writeHead(200, { "content-type": STREAM }).write("one");
      };
    });
    const answer = await carrier().carrier.send(post());
    const body = answer.body[Symbol.asyncIterator]();
    await body.next();
    await how(body, () => {
      answer.cancel();
    });
    await closed;
  }
});

test("what was aborted before does not leave", async () => {
  answering = () => assert.fail("it has left");
  const breaker = new Breaker();
  breaker.abort("enough");
  await assert.rejects(carrier().carrier.send(post(undefined, { signal: breaker })));
});

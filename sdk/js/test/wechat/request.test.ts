/** `wx.request` over the link: a mini program, the double of `wx`, and behind real sockets Envoy, workers and the shop. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { after, before, test } from "node:test";
import type { LinkOptions } from "../../src/link/options.js";
import { createLinkRequest } from "../../src/wechat/index.js";
import { asked, failed } from "./app.js";
import { doubleOfWx, type Double, type Quirks } from "./double.js";
import { quiet, startScene, type Scene } from "../gateway.js";

let scene: Scene;

before(async () => {
  scene = await startScene();
});

after(() => scene.stop());

/** A mini program on a device of its own, unless another's storage is given. */
function miniProgram(quirks: Quirks = {}, storage?: Double["storage"], options: Partial<LinkOptions> = {}) {
  const { wx, ...device } = doubleOfWx({ ca: scene.ca ?? undefined, ...quirks }, storage);
  const request = createLinkRequest(wx, { gateway: scene.gateway, roots: scene.roots, ...options });
  return { request, ...device };
}

const shop = (path: string) => `${scene.shop}${path}`;
const upstream = (path: string) => `${scene.upstream}${path}`;

test("GET, as wx.request answers it", async () => {
  const { request } = miniProgram();
  const answer = await asked(request, { url: shop("/prices") });
  assert.equal(answer.errMsg, "request:ok");
  assert.equal(answer.statusCode, 200);
  assert.deepEqual(answer.data, { tea: 340, coffee: 520, cocoa: 410 });
  assert.equal(new Map(Object.entries(answer.header)).get("content-type"), "application/json");
  assert.deepEqual(answer.cookies, []);
  const raw = await asked(request, { url: shop("/prices"), responseType: "arraybuffer" });
  assert.ok(raw.data instanceof ArrayBuffer);
  const text = await asked(request, { url: shop("/prices"), dataType: "other" });
  assert.equal(text.data, Buffer.from(raw.data).toString());
});

test("methods, headers and data reach the upstream, and a status of its own is no failure", async () => {
  const { request } = miniProgram();
  const echo = async (options: object): Promise<unknown> =>
    (await asked(request, { url: upstream("/echo?a=b"), ...options })).data;
  for (const [options, expected] of [
    [{ data: { c: "茶" } }, { method: "GET", target: "/echo?a=b&c=%E8%8C%B6", body: "" }],
    [
      { method: "POST", data: { c: 1 } },
      { method: "POST", target: "/echo?a=b", body: '{"c":1}' },
    ],
    [
      { method: "put", data: new Uint8Array([7, 8]).buffer },
      { method: "PUT", target: "/echo?a=b", body: "\u0007\b" },
    ],
    [{ method: "DELETE" }, { method: "DELETE", target: "/echo?a=b", body: "" }],
  ] as const) {
    const seen = await echo(options);
    assert.ok(typeof seen === "object" && seen !== null);
    assert.deepEqual({ ...seen, ...expected }, seen);
  }
  const header = { "content-type": "application/x-www-form-urlencoded", "X-Trace": "7" };
  const seen = JSON.stringify(await echo({ method: "POST", header, data: { a: "b c" } }));
  assert.match(seen, /"body": ?"a=b%20c"/);
  assert.match(seen, /\["x-trace", ?"7"\]/i);
  assert.equal((await asked(request, { url: shop("/nowhere") })).statusCode, 404);
});

test("the wire carries nothing of it", async () => {
  const { request, seen } = miniProgram();
  const data = { item: "cocoa", quantity: 7 };
  const { statusCode } = await asked(request, { url: shop("/orders"), method: "POST", data });
  assert.equal(statusCode, 201);
  const post = seen.find(({ method }) => method === "POST") ?? assert.fail();
  assert.equal(post.url, `${scene.gateway}/_link`);
  assert.equal(post.header["content-type"], "application/privatelink");
  const wire = Buffer.concat([Buffer.from(JSON.stringify(post.header)), post.body, post.answer]).toString(
    "latin1",
  );
  for (const word of ["cocoa", "quantity", "orders", "shop.example.com", "total", "201"]) {
    assert.ok(!wire.includes(word), word);
  }
});

test("a login lives in the link's own cookies, until it is forgotten", async () => {
  const { request, storage, seen } = miniProgram();
  const login = await asked(request, { url: shop("/login"), method: "POST", data: { user: "ada" } });
  assert.equal(login.statusCode, 200);
  assert.equal(login.cookies.length, 2); // no browser: the app sees them too
  const me = await asked(request, { url: shop("/me") });
  assert.deepEqual(me.data, { user: "ada" });
  const sent = String(seen.at(-1)?.header.cookie);
  assert.match(sent, /^__Secure-pl-/);
  assert.ok(!sent.includes("session"));
  assert.ok(storage.size > 0);
  await request.forget();
  assert.equal(storage.size, 0);
  assert.equal((await asked(request, { url: shop("/me") })).statusCode, 401);
});

test("the directory outlives the mini program: a restart fetches none", async () => {
  const first = miniProgram();
  await asked(first.request, { url: shop("/prices") });
  assert.ok(first.seen.some(({ url }) => url.endsWith("/keys")));
  const second = miniProgram({}, first.storage);
  await asked(second.request, { url: shop("/prices") });
  assert.deepEqual(
    second.seen.map(({ method }) => method),
    ["POST"],
  );
});

test("events come one by one, and abort closes the connection, to the upstream too", async () => {
  const { request } = miniProgram();
  const failure = await new Promise((resolve) => {
    let chunks = "";
    const task = request({ url: shop("/events"), enableChunked: true, fail: resolve });
    task.onHeadersReceived(({ statusCode, header }) => {
      assert.equal(statusCode, 200);
      assert.equal(new Map(Object.entries(header)).get("content-type"), "text/event-stream");
    });
    task.onChunkReceived(({ data }) => {
      chunks += Buffer.from(data).toString();
      if ((chunks.match(/event: price/g)?.length ?? 0) === 2) task.abort();
    });
  });
  assert.deepEqual(failure, { errMsg: "request:fail abort", errno: 600003, outcomeUnknown: true });
  await quiet(scene);
});

test("a long answer comes whole, in pieces or at once", async () => {
  const { request } = miniProgram();
  const digest = createHash("sha256");
  let length = 0;
  const answer = await asked(request, { url: shop("/export.csv"), enableChunked: true }, (task) => {
    task.onChunkReceived(({ data }) => {
      length += data.byteLength;
      digest.update(Buffer.from(data));
    });
  });
  assert.equal(answer.data, "");
  const whole = await asked(request, { url: shop("/export.csv"), responseType: "arraybuffer" });
  assert.ok(whole.data instanceof ArrayBuffer);
  assert.equal(whole.data.byteLength, length);
  const expected = createHash("sha256").update(Buffer.from(whole.data)).digest("hex");
  assert.equal(digest.digest("hex"), expected);
});

test("a long upload goes in segments, as one ArrayBuffer", async () => {
  const { request, seen } = miniProgram();
  const body = Buffer.alloc(3 * 2 ** 20, "tea");
  const data = Uint8Array.from(body).buffer;
  const answer = await asked(request, { url: shop("/uploads/tea"), method: "PUT", data });
  const sha256 = createHash("sha256").update(body).digest("hex");
  assert.deepEqual(answer.data, { size: body.length, sha256 });
  assert.equal(seen.at(-1)?.url, `${scene.gateway}/_link/stream`);
});

test("an answer that is cut short fails, after what has come", async () => {
  const { request } = miniProgram();
  let length = 0;
  const count = ({ data }: { data: ArrayBuffer }) => (length += data.byteLength);
  const options = { url: shop("/export.csv?cut=1"), enableChunked: true };
  const outcome = asked(request, options, (task) => {
    task.onChunkReceived(count);
  });
  await assert.rejects(outcome, { code: "truncated", outcomeUnknown: true });
  assert.ok(length > 1_000_000);
  const whole = await failed(request, { url: shop("/export.csv?cut=1") });
  assert.match(whole.errMsg, /^request:fail truncated: /);
});

test("inner redirects are followed on the link, unless they are not to be", async () => {
  const { request } = miniProgram();
  const options = { url: upstream("/status/303"), method: "POST", data: { a: 1 }, dataType: "text" };
  assert.equal((await asked(request, options)).data, "hello from the upstream");
  const manual = await asked(request, { ...options, redirect: "manual" });
  assert.equal(manual.statusCode, 303);
  assert.equal(new Map(Object.entries(manual.header)).get("location"), "/elsewhere");
});

test("what takes longer than its timeout fails as the platform has it", async () => {
  const { request } = miniProgram();
  const failure = await failed(request, { url: upstream("/sleep?s=5"), timeout: 300 });
  const expected = { errMsg: "request:fail timeout", errno: 5, code: "timeout", outcomeUnknown: true };
  assert.deepEqual(failure, expected);
});

test("complete comes last, and once; nothing comes after an abort", async () => {
  const { request } = miniProgram();
  const told: string[] = [];
  const tell = (what: string) => () => told.push(what);
  const done = { success: tell("success"), fail: tell("fail") };
  await new Promise<void>((resolve) => {
    const complete = (): void => {
      told.push("complete");
      resolve();
    };
    request({ url: shop("/prices"), ...done, complete });
  });
  const task = request({ url: shop("/prices"), ...done, complete: tell("complete") });
  task.abort();
  task.abort();
  await asked(request, { url: shop("/prices") });
  assert.deepEqual(told, ["success", "complete", "fail", "complete"]);
});

for (const quirks of [
  { withoutChunks: true },
  { withoutStatus: true },
  { withNamesAsSent: true },
] satisfies Quirks[]) {
  test(`it works the same ${JSON.stringify(quirks)}`, async () => {
    const { request } = miniProgram(quirks);
    await asked(request, { url: shop("/login"), method: "POST", data: { user: "bob" } });
    assert.deepEqual((await asked(request, { url: shop("/me") })).data, { user: "bob" });
    const { data } = await asked(request, { url: upstream("/bytes?n=200000"), responseType: "arraybuffer" });
    assert.ok(data instanceof ArrayBuffer);
    assert.equal(data.byteLength, 200_000);
  });
}

test("without a source of randomness nothing leaves", async () => {
  const { request, seen } = miniProgram({ withoutRandom: true });
  const failure = await failed(request, { url: shop("/prices") });
  assert.equal(failure.code, "unsupported");
  assert.match(failure.errMsg, /wx\.getRandomValues needs base library 2\.15\.0/);
  assert.equal(failure.outcomeUnknown, false);
  assert.deepEqual(seen, []);
});

test("what an app's own listener throws is the app's, and costs the request nothing", async (t) => {
  const { request } = miniProgram();
  const ofTheRunner = process.listeners("unhandledRejection"); // it would fail the test
  process.removeAllListeners("unhandledRejection");
  t.after(() => {
    for (const listener of ofTheRunner) process.on("unhandledRejection", listener);
  });
  const reported = once(process, "unhandledRejection");
  const answer = await asked(request, { url: shop("/prices") }, (task) => {
    task.onHeadersReceived(() => {
      throw new Error("the app's");
    });
  });
  assert.equal(answer.statusCode, 200);
  assert.match(String(await reported), /the app's/);
});

test("what is no request, and what can't be trusted, leaves nothing behind", async () => {
  const { request, seen } = miniProgram();
  const circular: Record<string, unknown> = {};
  circular["itself"] = circular;
  for (const options of [{ url: "/prices" }, { url: shop("/orders"), method: "POST", data: circular }]) {
    const { code, outcomeUnknown } = await failed(request, options);
    assert.deepEqual({ code, outcomeUnknown }, { code: "bad-request", outcomeUnknown: false });
  }
  assert.deepEqual(seen, []);
  const other = miniProgram({}, undefined, {
    roots: ["ed25519:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"],
  });
  const failure = await failed(other.request, { url: shop("/prices") });
  assert.match(failure.code ?? "", /^directory/);
  assert.deepEqual(
    other.seen.map(({ method }) => method),
    ["GET"],
  );
});

test("a URL that is none is not told: it may have a password in it", async () => {
  const { request } = miniProgram();
  const { errMsg } = await failed(request, { url: "https://ada:s3cret@shop.example.com/?token=s3cret" });
  assert.match(errMsg, /^request:fail bad-request: /);
  assert.doesNotMatch(errMsg, /s3cret/);
});

test("post-quantum keys only", async () => {
  const { request } = miniProgram({}, undefined, { requirePq: true });
  assert.equal((await asked(request, { url: shop("/prices") })).statusCode, 200);
});

/** Over the link, an axios instance does what it does over its own adapters. */

import assert from "node:assert/strict";
import { test } from "node:test";
import axios, { type AxiosInstance, type AxiosProgressEvent, type CreateAxiosDefaults } from "axios";
import { linkAdapter } from "../../src/adapters/axios.js";
import { LinkError } from "../../src/errors.js";
import { field, scene, type Answer, type Heard } from "../fetch/double.js";

const SHOP = "https://shop.example.com";
const JSON_TYPE = { "content-type": "application/json" };

interface Shop {
  shop: AxiosInstance;
  heard: Heard[];
}

function open(answering?: (call: Heard) => Answer | Promise<Answer>, config?: CreateAxiosDefaults): Shop {
  const { fetch, heard } = scene(answering);
  return { shop: axios.create({ adapter: linkAdapter(fetch, axios), baseURL: SHOP, ...config }), heard };
}

function never<T>(): Promise<T> {
  return new Promise(() => undefined);
}

test("JSON both ways, with base URL, params and headers", async () => {
  const { shop, heard } = open(() => ({
    status: 201,
    headers: { ...JSON_TYPE, "x-a": "b" },
    body: '{"id":7}',
  }));
  const params = { item: "tea & milk", tag: ["a", "b"] };
  const response = await shop.post("/orders", { quantity: 2 }, { params, headers: { "X-Trace": "t" } });
  assert.deepEqual(response.data, { id: 7 });
  assert.deepEqual([response.status, response.headers["x-a"], response.config.url], [201, "b", "/orders"]);
  const [call] = heard;
  assert.deepEqual([call?.method, call?.text], ["POST", '{"quantity":2}']);
  assert.equal(call?.path, "/orders?item=tea+%26+milk&tag%5B%5D=a&tag%5B%5D=b");
  assert.equal(field(call, "content-type"), "application/json");
  assert.equal(field(call, "x-trace"), "t");
  assert.equal(field(call, "accept"), "application/json, text/plain, */*");
});

test("each method by its name", async () => {
  const { shop, heard } = open();
  await shop.get("/a");
  await shop.head("/a");
  await shop.delete("/a", { data: "tea" });
  await shop.put("/a", "tea");
  await shop.patch("/a", "tea");
  await shop.request({ url: "/a", method: "get", data: "not sent" });
  assert.deepEqual(
    heard.map(({ method, text }) => [method, text]),
    [
      ["GET", ""],
      ["HEAD", ""],
      ["DELETE", "tea"],
      ["PUT", "tea"],
      ["PATCH", "tea"],
      ["GET", ""],
    ],
  );
  assert.equal(field(heard[0], "content-type"), undefined);
});

test("forms have the boundary that is in their type", async () => {
  const { shop, heard } = open();
  const form = new FormData();
  form.set("item", "tea");
  await shop.post("/orders", form);
  await shop.post("/orders", new URLSearchParams({ item: "tea" }));
  const boundary = /^multipart\/form-data; boundary=(.+)$/.exec(field(heard[0], "content-type") ?? "")?.[1];
  assert.ok(boundary && heard[0]?.text.startsWith(`--${boundary}\r\n`));
  assert.match(field(heard[1], "content-type") ?? "", /^application\/x-www-form-urlencoded/);
  assert.equal(heard[1]?.text, "item=tea");
});

test("auth is Basic, and cookies go elsewhere when they are told to", async () => {
  const { shop, heard } = open();
  await shop.get("/me", { auth: { username: "ada", password: "für" }, withCredentials: true });
  const expected = Buffer.from("ada:für").toString("base64");
  assert.equal(field(heard[0], "authorization"), `Basic ${expected}`);
  assert.equal(heard[0]?.credentials, "include");
});

test("either half of auth may be missing", async () => {
  const { shop, heard } = open();
  const halves: object[] = [{ username: "key" }, { password: "key" }]; // as axios takes them, whatever its types say
  for (const auth of halves) await shop.get("/me", { auth: auth as { username: string; password: string } });
  assert.deepEqual(
    heard.map((call) => field(call, "authorization")),
    ["key:", ":key"].map((pair) => `Basic ${Buffer.from(pair).toString("base64")}`),
  );
});

test("every type of response", async () => {
  const { shop } = open(() => ({ headers: JSON_TYPE, body: ['{"te', 'a":1}'] }));
  const get = async (responseType: "arraybuffer" | "blob" | "text" | "json" | "stream") =>
    (await shop.get<unknown>("/a", { responseType })).data;
  const buffer = await get("arraybuffer");
  assert.ok(buffer instanceof ArrayBuffer && buffer.byteLength === 9);
  const blob = await get("blob");
  assert.ok(blob instanceof Blob);
  assert.deepEqual([blob.type, await blob.text()], ["application/json", '{"tea":1}']);
  assert.deepEqual(await get("json"), { tea: 1 });
  const stream = await get("stream");
  assert.ok(stream instanceof ReadableStream);
  assert.equal(await new Response(stream).text(), '{"tea":1}');
  await assert.rejects(shop.get("/a", { responseType: "document" }), { code: "ERR_NOT_SUPPORT" });
});

test("validateStatus decides what is an error, and the error has the response", async () => {
  const { shop } = open(({ path }) => ({
    status: Number(path.slice(1)),
    headers: JSON_TYPE,
    body: '{"why":"?"}',
  }));
  for (const [status, code] of [
    [404, "ERR_BAD_REQUEST"],
    [503, "ERR_BAD_RESPONSE"],
  ] as const) {
    await assert.rejects(shop.get(`/${status}`), (error) => {
      assert.ok(axios.isAxiosError<unknown>(error) && error instanceof axios.AxiosError);
      assert.deepEqual([error.code, error.status, error.response?.data], [code, status, { why: "?" }]);
      return true;
    });
  }
  assert.equal((await shop.get("/404", { validateStatus: () => true })).status, 404);
  assert.equal((await shop.get("/500", { validateStatus: null })).status, 500);
});

test("without an answer, the error has the request, as axios's handlers look for it", async () => {
  const offline = open(() => Promise.reject(new TypeError("offline"))).shop;
  const silent = open(() => never()).shop;
  const controller = new AbortController();
  const canceled = open(() => {
    controller.abort();
    return never<Answer>();
  }).shop;
  for (const call of [
    () => offline.put("/a", "tea"),
    () => silent.put("/a", "tea", { timeout: 1 }),
    () => canceled.put("/a", "tea", { signal: controller.signal }),
  ]) {
    await assert.rejects(call, (error) => {
      assert.ok(error instanceof axios.AxiosError);
      const { url, method } = error.request as { url: string; method: string };
      assert.deepEqual([url, method, error.response], [`${SHOP}/a`, "PUT", undefined]);
      return true;
    });
  }
});

test("the link's own trouble is a network error, with its cause", async () => {
  const cause = new LinkError("unavailable", "refused by the gateway", { outcomeUnknown: true });
  const { shop } = open(() => Promise.reject(cause));
  await assert.rejects(shop.get("/a"), (error) => {
    assert.ok(axios.isAxiosError(error));
    assert.deepEqual([error.code, error.message, error.cause], ["ERR_NETWORK", cause.message, cause]);
    return true;
  });
});

test("canceled by a signal, before and while it waits", async () => {
  const { shop, heard } = open(() => never());
  const controller = new AbortController();
  const waiting = shop.get("/a", { signal: controller.signal });
  await new Promise(setImmediate);
  assert.equal(heard.length, 1);
  controller.abort();
  for (const call of [waiting, shop.get("/a", { signal: controller.signal })]) {
    await assert.rejects(call, (error) => axios.isCancel(error) && error instanceof axios.CanceledError);
  }
  assert.equal(heard[0]?.signal?.aborted, true);
});

test("canceled by a token, with its message", async () => {
  const { shop, heard } = open(() => never());
  const { token, cancel } = axios.CancelToken.source();
  const waiting = shop.get("/a", { cancelToken: token });
  await new Promise(setImmediate);
  cancel("changed my mind");
  await assert.rejects(waiting, (error) => axios.isCancel(error) && error.message === "changed my mind");
  assert.equal(heard[0]?.signal?.aborted, true);
});

test("a token that outlives its requests does not gather their listeners", async () => {
  const { shop } = open();
  const { token } = axios.CancelToken.source();
  const left = (): unknown => Reflect.get(token, "_listeners");
  for (let turn = 0; turn < 3; turn++) await shop.get("/a", { cancelToken: token });
  assert.deepEqual(left(), []);
  await shop.get("/a", { cancelToken: token, responseType: "stream" });
  assert.ok(Array.isArray(left()) && (left() as unknown[]).length === 1); // it can be canceled yet
});

test("a timeout is one of the whole call", async () => {
  const { shop } = open(() => never());
  await assert.rejects(shop.get("/a", { timeout: 1 }), {
    code: "ECONNABORTED",
    message: "timeout of 1ms exceeded",
  });
  const transitional = { clarifyTimeoutError: true };
  const clear = shop.get("/a", { timeout: 1, transitional, timeoutErrorMessage: "too late" });
  await assert.rejects(clear, { code: "ETIMEDOUT", message: "too late" });
});

test("a stream can be canceled while it is read", async () => {
  const body = async function* () {
    yield "te";
    yield await never<string>();
  };
  const { shop } = open(() => ({ body: body() }));
  const controller = new AbortController();
  const config = { responseType: "stream", signal: controller.signal } as const;
  const { data } = await shop.get<ReadableStream>("/a", config);
  const reader = data.getReader();
  await reader.read();
  controller.abort();
  await assert.rejects(reader.read(), axios.CanceledError);
});

test("progress, up and down", async () => {
  const events: AxiosProgressEvent[] = [];
  const listener = (event: AxiosProgressEvent) => void events.push(event);
  const { shop } = open((call) => {
    call.onProgress?.(1, 4);
    call.onProgress?.(4, 4);
    return { headers: { "content-length": "3" }, body: ["te", "a"] };
  });
  const config = { onUploadProgress: listener, onDownloadProgress: listener };
  assert.equal((await shop.put("/a", "milk", config)).data, "tea");
  assert.deepEqual(
    events.map(({ loaded, total, progress, bytes, upload, download }) => ({
      loaded,
      total,
      progress,
      bytes,
      upload,
      download,
    })),
    [
      { loaded: 1, total: 4, progress: 0.25, bytes: 1, upload: true, download: undefined },
      { loaded: 4, total: 4, progress: 1, bytes: 3, upload: true, download: undefined },
      { loaded: 2, total: 3, progress: 2 / 3, bytes: 2, upload: undefined, download: true },
      { loaded: 3, total: 3, progress: 1, bytes: 1, upload: undefined, download: true },
    ],
  );
});

test("fetchOptions are for what axios has no name for", async () => {
  const { shop, heard } = open();
  await shop.put("/a", "tea", { fetchOptions: { repeatable: true, cache: "no-cache" } });
  assert.deepEqual([heard[0]?.repeatable, field(heard[0], "cache-control")], [true, "max-age=0"]);
});

test("interceptors and transformations are axios's own, and run", async () => {
  const { shop, heard } = open(() => ({ body: "tea" }));
  shop.interceptors.request.use((config) => {
    config.headers.set("authorization", "Bearer t");
    return config;
  });
  const transformResponse = (data: string) => data.toUpperCase();
  assert.equal((await shop.get("/a", { transformResponse })).data, "TEA");
  assert.equal(field(heard[0], "authorization"), "Bearer t");
});

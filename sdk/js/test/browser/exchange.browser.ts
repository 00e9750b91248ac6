/**
 * `fetch` over the link in Chromium.
 *
 * Invariant: what the page asks reaches the upstream as it was asked, and nothing of it is on the wire.
 */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import type { Page } from "playwright-core";

import { accessLog } from "../gateway.js";
import { Stage, type Scene } from "./stage.js";

let stage: Stage;
let scene: Scene;

before(async () => {
  stage = await Stage.raise();
  scene = stage.scene;
});
after(() => stage.close());

interface Echo {
  method: string;
  target: string;
  headers: [string, string][];
  body: string;
}

for (const method of ["GET", "POST", "PUT", "DELETE"]) {
  test(`${method} with headers of its own`, async () => {
    const page = await stage.page();
    const body = method === "GET" ? null : "two cups of café";
    const [status, echo] = await page.evaluate(
      async ([url, method, body]): Promise<[number, Echo]> => {
        const headers = { "x-mark": "of the page", authorization: "Bearer abc" };
        const response = await linkFetch(url, { method, headers, body });
        return [response.status, await (response.json() as Promise<Echo>)];
      },
      [`${scene.upstream}/echo?n=1`, method, body] as const,
    );
    assert.equal(status, 200);
    assert.deepEqual([echo.method, echo.target], [method, "/echo?n=1"]);
    assert.equal(Buffer.from(echo.body, "latin1").toString(), body ?? "");
    const headers = Object.fromEntries(echo.headers);
    assert.equal(headers["x-mark"], "of the page");
    assert.equal(headers["authorization"], "Bearer abc");
    assert.equal(headers["origin"], scene.page);
    assert.equal(headers["host"], "upstream.example.com");
    assert.equal(headers["x-forwarded-for"], "127.0.0.1");
    assert.deepEqual(await page.evaluate(() => violations), []);
  });
}

test("the browser asks first, and whatever the inner method is, it asks for POST", async () => {
  const page = await stage.page();
  const preflights: { url: string; wants: string | undefined; status: number }[] = [];
  const session = await page.context().newCDPSession(page);
  await session.send("Network.enable");
  const asked = new Map<string, { url: string; wants: string | undefined }>();
  session.on("Network.requestWillBeSent", ({ requestId, request }) => {
    if (request.method !== "OPTIONS") return;
    asked.set(requestId, { url: request.url, wants: request.headers["Access-Control-Request-Method"] });
  });
  session.on("Network.responseReceived", ({ requestId, response }) => {
    const preflight = asked.get(requestId);
    if (preflight) preflights.push({ ...preflight, status: response.status });
  });
  await page.evaluate(
    async (url) => (await linkFetch(url, { method: "DELETE" })).text(),
    `${scene.upstream}/echo`,
  );
  assert.deepEqual(preflights, [{ url: `${scene.gateway}/_link`, wants: "POST", status: 204 }]);
});

test("the recorded envelopes hold none of the plaintext", async () => {
  const page = await stage.page();
  const wire = await recording(page);
  const order = { item: "cocoa", quantity: 7, note: "for Lovelace, second floor" };
  const answer = await page.evaluate(
    async ([url, body]) => {
      const headers = { "content-type": "application/json", "x-secret-mark": "forty-two" };
      const init = { method: "POST", headers, body, credentials: "include" } as const;
      return (await linkFetch(`${url}/orders`, init)).text();
    },
    [scene.shop, JSON.stringify(order)] as const,
  );
  assert.match(answer, /"total": 2870/);
  const bytes = await wire();
  assert.ok(bytes.includes("application/privatelink-keys") && bytes.includes("__secure-pl-"));
  assert.ok(bytes.length > 5000, `${bytes.length} bytes: a directory, an envelope and its answer are more`);
  const words = [...JSON.stringify(order).matchAll(/\w{5,}/g), ...answer.matchAll(/\w{5,}/g)].map(
    ([word]) => word,
  );
  for (const word of [...words, "/orders", "shop.example.com", "x-secret-mark", "forty-two", "last_order"]) {
    assert.ok(!bytes.includes(word.toLowerCase()), `${word} is on the wire`);
  }
});

/** All that passes between the page and the link: URLs, headers, bodies; in lower case. */
async function recording(page: Page): Promise<() => Promise<string>> {
  const parts: Promise<string>[] = [];
  page.on("response", (response) => {
    const request = response.request();
    if (!isLink(request.url())) return;
    parts.push(
      (async () => {
        const headers = JSON.stringify([await request.allHeaders(), await response.allHeaders()]);
        return request.url() + headers + (request.postDataBuffer()?.toString("latin1") ?? "");
      })(),
    );
  });
  const session = await page.context().newCDPSession(page);
  session.on("Fetch.requestPaused", ({ requestId }) => {
    parts.push(
      (async () => {
        const { body } = await session.send("Fetch.getResponseBody", { requestId });
        await session.send("Fetch.continueResponse", { requestId });
        return Buffer.from(body, "base64").toString("latin1");
      })(),
    );
  });
  await session.send("Fetch.enable", { patterns: [{ urlPattern: "*/_link*", requestStage: "Response" }] });
  return async () => (await Promise.all(parts)).join("\n").toLowerCase();
}

function isLink(url: string): boolean {
  return new URL(url).pathname.startsWith("/_link");
}

test("an envelope that is sent again is refused, and runs nothing", async () => {
  const page = await stage.page();
  let envelope: Buffer | null = null;
  page.on("request", (request) => (envelope = request.postDataBuffer() ?? envelope));
  await page.evaluate(
    async (url) => (await linkFetch(url, { method: "POST" })).text(),
    `${scene.upstream}/echo?replayed`,
  );
  assert.ok(envelope);
  const again = await page.evaluate(
    async ([url, bytes]) => {
      const headers = { "content-type": "application/privatelink" };
      const response = await fetch(url, { method: "POST", headers, body: Uint8Array.from(bytes) });
      return { status: response.status, id: response.headers.get("x-request-id") };
    },
    [`${scene.gateway}/_link`, [...(envelope as Buffer)]] as const,
  );
  assert.equal(again.status, 200); // sealed, like every answer to what has opened
  const line = await accessLog(scene, again.id ?? "");
  assert.deepEqual([line["fault"], line["inner_status"]], ["replayed", "409"]);
});

test("a page of an origin that the gateway does not allow gets nothing", async () => {
  const page = await stage.page(scene.stranger);
  const error = await page.evaluate(async (url) => {
    try {
      await linkFetch(url);
      return "answered";
    } catch (error) {
      return error instanceof sdk.LinkError ? error.code : String(error);
    }
  }, `${scene.upstream}/echo`);
  assert.equal(error, "network"); // as a browser says it: no answer that the page may read

  const directory = await page.evaluate(async (url) => {
    try {
      await fetch(url);
      return "read";
    } catch (error) {
      return String(error);
    }
  }, `${scene.gateway}/_link/keys`);
  assert.equal(directory, "TypeError: Failed to fetch");
});

test("inner redirects, statuses and what a body may be", async () => {
  const page = await stage.page();
  const seen = await page.evaluate(async (upstream) => {
    const form = new FormData();
    form.set("file", new Blob(["inside a form"]), "a.txt");
    const bodies: BodyInit[] = [
      "text",
      new Blob(["blob"]),
      new TextEncoder().encode("view"),
      new URLSearchParams({ a: "1" }),
      form,
    ];
    const sizes = bodies.map(async (body) => {
      const response = await linkFetch(`${upstream}/echo`, { method: "POST", body });
      return ((await response.json()) as { body: string }).body.length;
    });
    const manual = await linkFetch(`${upstream}/status/302`, { redirect: "manual" });
    const followed = await linkFetch(`${upstream}/status/302`);
    const refused = await linkFetch(`${upstream}/status/302`, { redirect: "error" }).then(
      () => "answered",
      (error: unknown) => String(error),
    );
    return {
      sizes: await Promise.all(sizes),
      manual: [manual.type, manual.status],
      followed: [followed.url, followed.redirected, followed.status, await followed.text()],
      refused,
      missing: (await linkFetch(`${upstream}/status/404`)).status,
      empty: (await linkFetch(`${upstream}/status/204`)).body,
    };
  }, scene.upstream);
  assert.deepEqual(seen.sizes.slice(0, 4), [4, 4, 4, 3]);
  assert.ok((seen.sizes[4] ?? 0) > 100);
  assert.deepEqual(seen.manual, ["opaqueredirect", 0]);
  assert.deepEqual(seen.followed, [`${scene.upstream}/elsewhere`, true, 200, "hello from the upstream"]);
  assert.match(seen.refused, /^TypeError/);
  assert.deepEqual([seen.missing, seen.empty], [404, null]);
});

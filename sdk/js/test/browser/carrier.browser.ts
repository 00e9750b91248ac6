/**
 * How outer requests leave Chromium, as a server on the way sees them: one that speaks HTTP/1.1 alone, over which a
 * browser streams no request.
 *
 * Invariant: what can't be streamed is sent whole, and once; and no outer request has a referer, however it leaves.
 */

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import https from "node:https";
import { after, before, test } from "node:test";

import type { Page } from "playwright-core";

import { Stage, type Scene } from "./stage.js";

const SIZE = 3_000_000;

interface Passed {
  method: string | undefined;
  path: string | undefined;
  type: string | undefined;
  referer: string | undefined;
  size: number;
}

const passed: Passed[] = [];
/** Before the gateway, another origin of the link. */
const proxy = https.createServer(pass);
let origin: string;
let stage: Stage;
let scene: Scene;

before(async () => {
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  const address = proxy.address();
  assert.ok(typeof address === "object" && address !== null);
  origin = `https://127.0.0.1:${address.port}`;
  stage = await Stage.raise("--link", origin);
  scene = stage.scene;
  proxy.setSecureContext({ cert: readFileSync(scene.certificate), key: readFileSync(scene.private_key) });
});
after(async () => {
  await stage.close();
  proxy.close();
  proxy.closeAllConnections();
});

/** A request on its way to the gateway, and what is noted of it. */
function pass(request: IncomingMessage, response: ServerResponse): void {
  const { method, url: path, headers } = request;
  const note = { method, path, type: headers["content-type"], referer: headers.referer, size: 0 };
  passed.push(note);
  request.on("data", (data: Buffer) => (note.size += data.length));
  const options = { method, headers, rejectUnauthorized: false }; // the scene's own authority
  const onward = https.request(`${scene.gateway}${path ?? ""}`, options, (answer) => {
    response.writeHead(answer.statusCode ?? 0, answer.headers);
    answer.pipe(response);
  });
  // Who leaves on one side leaves on the other.
  response.on("close", () => onward.destroy());
  onward.on("error", () => response.destroy());
  request.pipe(onward);
}

/** A page with a query that is nobody's business, and a link by way of the proxy. */
async function page(): Promise<Page> {
  passed.length = 0;
  return stage.page(scene.page, "/?secret=1", origin);
}

function posts(): Passed[] {
  return passed.filter(({ method }) => method === "POST");
}

test("over HTTP/1.1 a stream is sent whole, once, with progress; and the next one at once", async () => {
  const tab = await page();
  const seen = await tab.evaluate(
    async ([url, size]) => {
      const told: number[] = [];
      const upload = async () => {
        const body = new Blob([new Uint8Array(size)]).stream();
        const onUploadProgress = ({ loaded }: { loaded: number }) => told.push(loaded);
        const init = { method: "PUT", body, duplex: "half", onUploadProgress } as const;
        return (await linkFetch(url, init)).text();
      };
      const answers = [await upload(), await upload()];
      return { answers, last: told.at(-1), frames: frames.length };
    },
    [`${scene.shop}/uploads/zeros`, SIZE] as const,
  );
  for (const answer of seen.answers) assert.match(answer, new RegExp(`"size": ?${SIZE}`));
  assert.deepEqual([seen.last, seen.frames], [SIZE, 0]);
  const { length, [0]: first } = posts();
  assert.equal(length, 2);
  assert.equal(first?.type, "application/privatelink-stream");
  assert.ok(first.size > SIZE);
  assert.deepEqual(await tab.evaluate(() => violations), []);
});

test("no outer request has a referer: by fetch, by XMLHttpRequest, for the directory, or asking first", async () => {
  const tab = await page();
  await tab.evaluate(async (url) => {
    await linkFetch(`${url}/prices`);
    await linkFetch(`${url}/uploads/a`, { method: "PUT", body: "tea", onUploadProgress: () => undefined });
    await linkFetch(`${url}/uploads/b`, { method: "PUT", body: new Blob(["milk"]).stream(), duplex: "half" });
  }, scene.shop);
  assert.deepEqual(new Set(passed.map(({ method }) => method)), new Set(["GET", "OPTIONS", "POST"]));
  assert.deepEqual(
    passed.filter(({ referer }) => referer !== undefined),
    [],
  );
  assert.equal(posts().length, 3);
});

test("progress of a small upload is that of the network", async () => {
  const tab = await page();
  const told = await tab.evaluate(async (url) => {
    const told: unknown[] = [];
    const body = new Uint8Array(400_000);
    await linkFetch(url, { method: "PUT", body, onUploadProgress: (progress) => told.push(progress) });
    return told;
  }, `${scene.shop}/uploads/small`);
  assert.deepEqual(told.at(-1), { loaded: 400_000, total: 400_000 });
  assert.equal(posts()[0]?.type, "application/privatelink");
});

test("an upload by XMLHttpRequest can be aborted, and leaves nothing in the page", async () => {
  const tab = await page();
  const seen = await tab.evaluate(async (url) => {
    const stop = new AbortController();
    const onUploadProgress = () => {
      stop.abort();
    };
    const init = { method: "PUT", body: new Uint8Array(900_000), signal: stop.signal, onUploadProgress };
    const outcome = await linkFetch(url, init).then(() => "answered", String);
    return { outcome, frames: document.querySelectorAll("iframe").length };
  }, `${scene.shop}/uploads/aborted`);
  assert.match(seen.outcome, /^AbortError/);
  assert.equal(seen.frames, 0);
});

test("where fetch streams nothing at all, a stream is gathered", async () => {
  const tab = await page();
  const link = { gateway: origin, roots: scene.roots };
  const seen = await tab.evaluate(
    async ([url, link]) => {
      const { Request: Native, fetch } = globalThis;
      // As Firefox and Safari do: `duplex` is not looked for, and a stream is text.
      globalThis.Request = class extends Native {
        constructor(input: RequestInfo | URL, init?: RequestInit) {
          super(input, init?.body instanceof ReadableStream ? { method: "POST", body: "[object]" } : init);
        }
      };
      let streams = 0;
      globalThis.fetch = (input, init) => {
        if (init?.body instanceof ReadableStream) streams += 1;
        return fetch(input, init);
      };
      const body = new Blob([new Uint8Array(2_000_000)]).stream();
      const response = await sdk.createLinkFetch(link)(url, { method: "PUT", body, duplex: "half" });
      return { answer: await response.text(), streams };
    },
    [`${scene.shop}/uploads/gathered`, link] as const,
  );
  assert.match(seen.answer, /"size": ?2000000/);
  assert.equal(seen.streams, 0);
  assert.equal(posts().length, 1);
});

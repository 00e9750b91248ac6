/** `fetch` over the real link, in Node: what an upstream gets and gives is what it would be without one. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";
import { createEventSource, createLinkFetch, LinkError, type LinkFetch } from "../../src/index.js";
import { quiet, startScene, type Scene } from "../gateway.js";

let scene: Scene;
let linkFetch: LinkFetch;

before(async () => {
  scene = await startScene("--plain");
  linkFetch = createLinkFetch({ gateway: scene.gateway, roots: scene.roots, base: scene.upstream });
});
after(() => scene.stop());

interface Echo {
  method: string;
  target: string;
  headers: [string, string][];
  body: string;
}

async function echo(init: Parameters<LinkFetch>[1]): Promise<Echo> {
  return (await (await linkFetch("/echo?a=b", init)).json()) as Echo;
}

test("the upstream gets the request as it was made", async () => {
  const { method, target, headers, body } = await echo({
    method: "post",
    headers: { "X-Trace": "t" },
    body: new URLSearchParams({ item: "tea & milk" }),
  });
  assert.deepEqual([method, target, body], ["POST", "/echo?a=b", "item=tea+%26+milk"]);
  const got = new Headers(headers);
  assert.equal(got.get("x-trace"), "t");
  assert.equal(got.get("content-length"), "17");
  assert.equal(got.get("content-type"), "application/x-www-form-urlencoded;charset=UTF-8");
});

test("bodies of every size and form arrive as they are", async () => {
  const bytes = new Uint8Array(3_000_000).map((_, at) => at % 251);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  for (const body of [bytes, new Blob([bytes]), new Blob([bytes]).stream()]) {
    const init = { method: "PUT", body, duplex: "half" } as const;
    const response = await linkFetch(`${scene.shop}/uploads/bytes`, init);
    assert.deepEqual(await response.json(), { size: bytes.length, sha256 });
  }
});

test("statuses, HEAD and large answers", async () => {
  assert.equal((await linkFetch("/status/404")).status, 404);
  assert.equal((await linkFetch("/status/204")).body, null);
  assert.equal((await linkFetch("/bytes?n=9", { method: "HEAD" })).body, null);
  assert.equal((await (await linkFetch("/bytes?n=3000000")).arrayBuffer()).byteLength, 3_000_000);
});

test("a canceled body and an abort leave nothing behind", async () => {
  await (await linkFetch(`${scene.shop}/events`)).body?.cancel();
  await assert.rejects(linkFetch("/sleep?s=9", { signal: AbortSignal.timeout(100) }), {
    name: "TimeoutError",
  });
  await quiet(scene);
});

test("a header of the link's own is refused, and has not left", async () => {
  await assert.rejects(linkFetch("/echo", { headers: { "x-link-opened": "1" } }), (error) => {
    return error instanceof LinkError && error.code === "bad-request" && !error.outcomeUnknown;
  });
});

test("events, one by one, until it is closed", async () => {
  const source = createEventSource(linkFetch, `${scene.shop}/events`);
  const items = await new Promise<string[]>((resolve, reject) => {
    const seen: string[] = [];
    source.onerror = reject;
    source.addEventListener("price", ({ data }: MessageEvent<string>) => {
      seen.push(/"item": "(\w+)"/.exec(data)?.[1] ?? "");
      if (seen.length === 2) resolve(seen);
    });
  });
  source.close();
  assert.deepEqual(items, ["tea", "coffee"]);
  await quiet(scene);
});

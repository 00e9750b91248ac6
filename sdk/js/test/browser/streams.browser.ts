/**
 * What is long, in Chromium.
 *
 * Invariant: events come one by one, large bodies come through whole, and who stops half-way stops the upstream.
 */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";

import { eventually, Stage, type Scene } from "./stage.js";

const SIZE = 20_000_000;

let stage: Stage;
let scene: Scene;

before(async () => {
  stage = await Stage.raise();
  scene = stage.scene;
});
after(() => stage.close());

test("server-sent events arrive one by one", async () => {
  const page = await stage.page();
  const events = await page.evaluate(
    (url) =>
      new Promise<{ item: string; at: number }[]>((resolve, reject) => {
        const source = sdk.createEventSource(linkFetch, url);
        const seen: { item: string; at: number }[] = [];
        source.onerror = () => {
          reject(new Error("an error event"));
        };
        source.addEventListener("price", ({ data }: MessageEvent<string>) => {
          seen.push({ item: (JSON.parse(data) as { item: string }).item, at: performance.now() });
          if (seen.length < 3) return;
          source.close();
          resolve(seen);
        });
      }),
    `${scene.shop}/events`,
  );
  assert.deepEqual(
    events.map(({ item }) => item),
    ["tea", "coffee", "cocoa"],
  );
  const gaps = events.slice(1).map(({ at }, index) => at - (events[index]?.at ?? 0));
  for (const gap of gaps) assert.ok(gap > 500, `they are a second apart, not ${gap} ms`);
});

test("20 MB down, as they come", async () => {
  const page = await stage.page();
  const down = await page.evaluate(async (url) => {
    const response = await linkFetch(url);
    const parts: Uint8Array<ArrayBuffer>[] = [];
    for await (const part of response.body ?? []) parts.push(part);
    const whole = await new Blob(parts).arrayBuffer();
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", whole));
    return { parts: parts.length, size: whole.byteLength, sha256: Array.from(digest) };
  }, `${scene.upstream}/bytes?n=${SIZE}`);
  assert.equal(down.size, SIZE);
  assert.ok(down.parts > 100, `${down.parts} pieces`);
  const expected = createHash("sha256").update(Buffer.alloc(SIZE)).digest();
  assert.deepEqual(Buffer.from(down.sha256), expected);
});

test("a million rows down, each in its place", async () => {
  const page = await stage.page();
  const sha256 = await page.evaluate(async (url) => {
    const whole = await (await linkFetch(url)).arrayBuffer();
    return Array.from(new Uint8Array(await crypto.subtle.digest("SHA-256", whole)));
  }, `${scene.shop}/export.csv`);
  assert.deepEqual(Buffer.from(sha256), rows());
});

/** The hash of what the demo's shop exports. */
function rows(): Buffer {
  const hash = createHash("sha256");
  const prices = ["tea,340", "coffee,520", "cocoa,410"];
  for (let first = 0; first < 1_000_000; first += 1000) {
    const batch = Array.from(
      { length: 1000 },
      (_, at) => `${first + at},${prices[(first + at) % 3] ?? ""}\n`,
    );
    hash.update(batch.join(""));
  }
  return hash.digest();
}

for (const kind of ["Blob", "ReadableStream"]) {
  test(`20 MB up, from a ${kind}, with progress`, async () => {
    const page = await stage.page();
    const up = await page.evaluate(
      async ([url, size, kind]) => {
        const parts = Array.from({ length: size / 50_000 }, () =>
          crypto.getRandomValues(new Uint8Array(50_000)),
        );
        const blob = new Blob(parts);
        const progress: number[] = [];
        const response = await linkFetch(url, {
          method: "PUT",
          body: kind === "Blob" ? blob : blob.stream(),
          duplex: "half",
          onUploadProgress: ({ loaded }) => progress.push(loaded),
        });
        const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer()));
        return { answer: (await response.json()) as unknown, progress, sha256: Array.from(digest) };
      },
      [`${scene.shop}/uploads/random`, SIZE, kind] as const,
    );
    assert.deepEqual(up.answer, { size: SIZE, sha256: Buffer.from(up.sha256).toString("hex") });
    assert.ok(up.progress.length > 10);
    assert.deepEqual(
      [...up.progress].sort((one, other) => one - other),
      up.progress,
    );
    assert.equal(up.progress.at(-1), SIZE);
  });
}

const CUT = "cluster.upstream_shop.upstream_cx_destroy_local_with_active_rq";
const ACTIVE = "cluster.upstream_shop.upstream_rq_active";

test("a download that is aborted half-way closes the upstream's connection", async () => {
  const page = await stage.page();
  const cut = await stage.stat(CUT);
  const seen = await page.evaluate(async (url) => {
    const stop = new AbortController();
    const response = await linkFetch(url, { signal: stop.signal });
    const reader = response.body?.getReader();
    const first = await reader?.read();
    stop.abort();
    const after = await reader?.read().then(
      () => "more",
      (error: unknown) => String(error),
    );
    return { first: first?.value?.length ?? 0, after: after ?? "" };
  }, `${scene.shop}/events`);
  assert.ok(seen.first > 0);
  assert.match(seen.after, /^AbortError/);
  await eventually(async () => ((await stage.stat(CUT)) === cut + 1 ? true : undefined));
  assert.equal(await stage.stat(ACTIVE), 0);
});

test("an upload that is aborted half-way never ends well at the upstream", async () => {
  const page = await stage.page();
  const cut = await stage.stat(CUT);
  await page.evaluate((url) => {
    globalThis.stopping = new AbortController();
    const endless = new ReadableStream({
      pull: async (controller) => {
        controller.enqueue(new Uint8Array(50_000));
        await new Promise((resolve) => setTimeout(resolve, 20));
      },
    });
    const { signal } = stopping;
    globalThis.uploading = linkFetch(url, { method: "PUT", body: endless, duplex: "half", signal })
      .then(() => "answered")
      .catch((error: unknown) => String(error));
  }, `${scene.shop}/uploads/endless`);
  await eventually(async () => ((await stage.stat(ACTIVE)) === 1 ? true : undefined));
  const outcome = await page.evaluate(() => {
    stopping.abort();
    return uploading;
  });
  assert.match(outcome, /^AbortError/);
  await eventually(async () => ((await stage.stat(CUT)) === cut + 1 ? true : undefined));
  assert.equal(await stage.stat(ACTIVE), 0);
});

declare global {
  var stopping: AbortController;
  var uploading: Promise<string>;
}

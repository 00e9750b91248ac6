/**
 * The package in the kinds of page that there are.
 *
 * Invariant: it works under a strict Content-Security-Policy, which has nothing to refuse; and the vectors pass here too.
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";

import { ROOT, Stage, type Scene } from "./stage.js";

let stage: Stage;
let scene: Scene;

before(async () => {
  stage = await Stage.raise();
  scene = stage.scene;
});
after(() => stage.close());

/** What of the scene a page is told. */
function facts(): Pick<Scene, "gateway" | "roots" | "shop"> {
  const { gateway, roots, shop } = scene;
  return { gateway, roots, shop };
}

test("the vectors pass in Chromium", async (t) => {
  const page = await stage.page();
  await page.addScriptTag({ url: "/sdk/vectors.page.js", type: "module" });
  const { ran, failures } = await page.evaluate(() => runAllVectors());
  assert.deepEqual(failures, []);
  const total = Object.values(ran).reduce((sum, count) => sum + count, 0);
  assert.ok(total > 100);
  t.diagnostic(`${total} vectors`);
});

test("the policy is strict, and nothing of the package breaks it", async () => {
  const page = await stage.page();
  const policy = await page.evaluate(async () => (await fetch("/")).headers.get("content-security-policy"));
  assert.match(policy ?? "", /default-src 'none'; script-src 'self';/);
  assert.doesNotMatch(policy ?? "", /unsafe/);
  await page.evaluate(async (url) => (await linkFetch(url)).text(), `${scene.shop}/prices`);
  assert.deepEqual(await page.evaluate(() => violations), []);
});

test("a classic script gives a global", async () => {
  const page = await stage.page(scene.page, "/classic.html");
  const prices = await page.evaluate(async ({ gateway, roots, shop }): Promise<unknown> => {
    const linkFetch = ExtprocLink.createLinkFetch({ gateway, roots });
    return (await linkFetch(`${shop}/prices`)).json();
  }, facts());
  assert.deepEqual(prices, { tea: 340, coffee: 520, cocoa: 410 });
  assert.deepEqual(await page.evaluate(() => violations), []);
});

test("axios over the link", async () => {
  const page = await stage.page();
  await page.addScriptTag({ url: "/sdk/axios.page.js", type: "module" });
  const seen = await page.evaluate(async (shop) => {
    const { axios, linkAdapter } = axiosOverLink;
    const client = axios.create({ baseURL: shop, adapter: linkAdapter(linkFetch, axios) });
    const { status, data } = await client.post<{ total: number }>("/orders", { item: "tea", quantity: 3 });
    const missing = await client
      .get("/nowhere")
      .catch((error: unknown) => (axios.isAxiosError(error) ? error.response?.status : error));
    return { status, total: data.total, missing };
  }, scene.shop);
  assert.deepEqual(seen, { status: 201, total: 1020, missing: 404 });
});

test("a service worker puts a page's own requests on the link", async () => {
  const page = await stage.page(scene.page, "/worker.html");
  await page.evaluate(async ({ gateway, roots, shop }) => {
    const query = new URLSearchParams([
      ["gateway", gateway],
      ["prefix", `${shop}/`],
      ...roots.map((root) => ["root", root]),
    ]);
    await navigator.serviceWorker.register(`/worker.js?${query}`, { type: "module" });
    await navigator.serviceWorker.ready;
  }, facts());
  await page.reload(); // from here on the worker has the page's requests
  const seen = await page.evaluate(async ({ shop }) => {
    const prices = await fetch(`${shop}/prices`);
    const order = await fetch(`${shop}/orders`, { method: "POST", body: '{"item": "tea", "quantity": 1}' });
    return {
      prices: (await prices.json()) as unknown,
      order: order.status,
      script: (await fetch("/harness.js")).status,
    };
  }, facts());
  assert.deepEqual(seen, { prices: { tea: 340, coffee: 520, cocoa: 410 }, order: 201, script: 200 });
  assert.deepEqual(await page.evaluate(() => violations), []);
});

test("what is built holds no eval", () => {
  for (const file of ["page.js", "xwing.js", "noble.js"]) {
    const text = readFileSync(`${ROOT}extproc/demo/page/${file}`, "utf8");
    assert.doesNotMatch(text, /\beval\(|new Function\(/, file);
  }
});

declare global {
  /** The classic script's. */
  var ExtprocLink: typeof sdk;
}

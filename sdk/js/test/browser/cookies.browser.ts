/**
 * Login by sealed cookies.
 *
 * Invariant: the cookies that a login sets work on the inner requests they are for, in the browser that got them,
 * and are ciphertext to everybody who looks into its jar, the page's own scripts included.
 */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import type { Cookie, Page } from "playwright-core";

import { Stage, type Scene } from "./stage.js";

let stage: Stage;
let scene: Scene;

before(async () => {
  stage = await Stage.raise();
  scene = stage.scene;
});
after(() => stage.close());

interface Seen {
  status: number;
  text: string;
  setCookie: string | null;
}

function ask(page: Page, method: string, path: string, body?: string): Promise<Seen> {
  return page.evaluate(
    async ([url, method, body]) => {
      const headers = { "content-type": "application/json" };
      const response = await linkFetch(url, { method, headers, body, credentials: "include" });
      return {
        status: response.status,
        text: await response.text(),
        setCookie: response.headers.get("set-cookie"),
      };
    },
    [`${scene.shop}${path}`, method, body ?? null] as const,
  );
}

function login(page: Page): Promise<Seen> {
  return ask(page, "POST", "/login", '{"user": "lovelace"}');
}

/** What the shop is sent as cookies, by its own word. */
async function cookiesAtShop(page: Page): Promise<string | undefined> {
  const { text } = await ask(page, "GET", "/echo");
  const { headers } = JSON.parse(text) as { headers: [string, string][] };
  return headers.find(([name]) => name === "cookie")?.[1];
}

test("two cookies of a login are two opaque ones in the jar, and work on the next inner request", async () => {
  const page = await stage.page();
  assert.equal((await ask(page, "GET", "/me")).status, 401);
  const answer = await login(page);
  assert.deepEqual([answer.status, answer.setCookie], [200, null]);

  const jar: Cookie[] = await page.context().cookies();
  assert.equal(jar.length, 2);
  for (const cookie of jar) {
    assert.match(cookie.name, /^__Secure-pl-[\w-]{16}$/);
    assert.match(cookie.value, /^[\w-]{64,}$/);
    assert.deepEqual([cookie.path, cookie.httpOnly, cookie.secure], ["/_link", true, true]);
    const decoded = Buffer.from(cookie.value, "base64url").toString("latin1");
    for (const word of ["session", "basket", "lovelace", "/orders"]) assert.ok(!decoded.includes(word));
  }
  assert.equal(await page.evaluate(() => document.cookie), "");

  assert.deepEqual(await ask(page, "GET", "/me"), {
    status: 200,
    text: '{"user": "lovelace"}\n',
    setCookie: null,
  });
  assert.match((await cookiesAtShop(page)) ?? "", /^session=[\w-]+$/); // the other one is for /orders
});

test("a login outlives a reload; a logout ends it, and forget() voids what a jar still holds", async () => {
  const page = await stage.page();
  await login(page);
  await stage.visit(page, `${scene.page}/`);
  assert.equal((await ask(page, "GET", "/me")).status, 200);

  assert.equal((await ask(page, "POST", "/logout")).status, 204);
  assert.equal((await ask(page, "GET", "/me")).status, 401);

  await login(page);
  await page.evaluate(() => linkFetch.forget());
  assert.equal((await ask(page, "GET", "/me")).status, 401);
  assert.equal(await cookiesAtShop(page), undefined);
});

test("pages of one origin in one browser are one client, until one of them forgets", async () => {
  const page = await stage.page();
  const other = await page.context().newPage();
  await stage.visit(other, `${scene.page}/`);
  await login(page);
  assert.equal((await ask(other, "GET", "/me")).status, 200);
  await page.evaluate(() => linkFetch.forget());
  assert.equal((await ask(other, "GET", "/me")).status, 401);
});

test("a jar that was copied to another browser opens nothing there", async () => {
  const [page, thief] = [await stage.page(), await stage.page()];
  await login(page);
  await thief.context().addCookies(await page.context().cookies());
  assert.equal((await ask(thief, "GET", "/me")).status, 401);
  assert.equal(await cookiesAtShop(thief), undefined);
  assert.equal((await ask(page, "GET", "/me")).status, 200);
});

test("without credentials no cookie goes along, and none is kept", async () => {
  const page = await stage.page();
  await page.evaluate(async (shop) => {
    const body = '{"user": "lovelace"}';
    await linkFetch(`${shop}/login`, { method: "POST", body, credentials: "omit" });
  }, scene.shop);
  assert.deepEqual(await page.context().cookies(), []);
});

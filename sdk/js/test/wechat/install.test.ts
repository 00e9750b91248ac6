/** The link in place of `wx.request`: what matches goes sealed, all else as it was. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { installLink } from "../../src/wechat/index.js";
import { asked } from "./app.js";
import { doubleOfWx } from "./double.js";
import { startScene, type Scene } from "../gateway.js";

let scene: Scene;

before(async () => {
  scene = await startScene();
});

after(() => scene.stop());

function device() {
  const double = doubleOfWx({ ca: scene.ca ?? undefined });
  const install = (match: string | string[]) =>
    installLink(double.wx, { gateway: scene.gateway, roots: scene.roots, match });
  return { ...double, install };
}

test("an app that is not touched goes over the link where it matches, and past it elsewhere", async () => {
  const { wx, seen, install } = device();
  const installed = install(scene.shop);
  const sealed = await asked((options) => wx.request(options), { url: `${scene.shop}/prices` });
  assert.deepEqual(sealed.data, { tea: 340, coffee: 520, cocoa: 410 });
  assert.ok(seen.every(({ url }) => url.startsWith(`${scene.gateway}/_link`)));
  const plain = { url: `${scene.gateway}/prices`, data: { a: "b c" } }; // takes requests without the link, too
  const past = await asked((options) => wx.request(options), plain);
  assert.equal(past.statusCode, 200);
  assert.equal(seen.at(-1)?.url, `${scene.gateway}/prices?a=b+c`);
  await installed.forget();
});

test("it can be undone, for those too who have kept it; and nothing of the platform's is left changed", async () => {
  const { wx, seen, install } = device();
  const before = Object.getOwnPropertyDescriptor(wx, "request");
  const installed = install(`${scene.gateway}/prices`);
  const kept = wx.request.bind(wx);
  installed.uninstall();
  assert.deepEqual(Object.getOwnPropertyDescriptor(wx, "request"), before);
  for (const request of [wx.request.bind(wx), kept]) {
    await asked(request, { url: `${scene.gateway}/prices` });
    assert.equal(seen.at(-1)?.url, `${scene.gateway}/prices`);
  }
});

test("what others have put in its place since stays there", () => {
  const { wx, install } = device();
  const installed = install(scene.shop);
  const linked = wx.request.bind(wx);
  const wrapped: typeof linked = (options) => linked(options);
  wx.request = wrapped;
  installed.uninstall();
  assert.equal(Object.getOwnPropertyDescriptor(wx, "request")?.value, wrapped);
});

test("a prefix ends where a name ends", async () => {
  const { wx, seen, install } = device();
  install(["HTTPS://Shop.Example.com", `${scene.upstream}/echo`]);
  const goes = async (url: string): Promise<"linked" | "past"> => {
    const before = seen.length;
    const task = wx.request({ url });
    const [first] = seen.slice(before); // the double, as the platform, sends at once; the link seals first
    task.abort();
    return Promise.resolve(first === undefined ? "linked" : "past");
  };
  for (const url of [
    "https://shop.example.com",
    "https://shop.example.com/a",
    "https://SHOP.example.com?a",
    "https://shop.example.com:443/a",
    "https://shop.example.com:/a",
    " \nhttps://shop.example.com/a",
    "https:/shop.example.com/a",
    "https:\\\\shop.example.com\\a",
    "https://ada:s3cret@shop.example.com/a",
    `${scene.upstream}/other/../echo/1`,
    `${scene.upstream}/other/%2e%2E/echo`,
  ]) {
    assert.equal(await goes(url), "linked", url);
  }
  assert.equal(await goes(`${scene.upstream}/echo/1`), "linked");
  for (const url of [
    "https://shop.example.com.evil.example/",
    "https://shop.example.com@evil.example/",
    "https://shop.example.com:8443/",
    "http://shop.example.com/",
    `${scene.upstream}/echoes`,
    `${scene.upstream}/echo/../other`,
    "https:example",
  ]) {
    assert.equal(await goes(url), "past", url);
  }
});

test("a match that is no prefix is refused", () => {
  const { install } = device();
  for (const match of [
    "",
    "shop.example.com",
    "https://",
    "https://a/?b",
    "https://a@b/",
    ["https://a/", "/b"],
  ]) {
    assert.throws(() => install(match), TypeError, String(match));
  }
});

/** Text, URLs, data and headers of mini programs, held to what has them built in: Node's own. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { fromBody, toBody, toQuery } from "../../src/wechat/data.js";
import { cookieLines, toFields, toHead } from "../../src/wechat/fields.js";
import { decodeText, encodeText } from "../../src/wechat/text.js";
import { addQuery, parseLoosely, parseUrl, resolve } from "../../src/wechat/url.js";

const bytes = (...each: number[]): Uint8Array<ArrayBuffer> => Uint8Array.from(each);

test("any bytes are decoded as TextDecoder decodes them", () => {
  const cases = [
    bytes(),
    bytes(0xef, 0xbb, 0xbf, 0x61),
    bytes(0xef, 0xbb, 0xbf, 0xef, 0xbb, 0xbf),
    bytes(0xc0, 0x80, 0xe0, 0x9f, 0xbf, 0xed, 0xa0, 0x80, 0xf0, 0x8f, 0xbf, 0xbf, 0xf4, 0x90, 0x80, 0x80),
    bytes(0xe2, 0x82, 0xf0, 0x9f, 0x8d, 0x61, 0xff, 0xe4),
    Uint8Array.from(Buffer.from("茶 tea ☕ 🍵".repeat(3000))),
  ];
  let state = 1; // a generator of its own, so that a failure can be had again
  const random = (below: number): number => (state = (state * 48271) % 0x7fffffff) % below;
  const likely = [0x41, 0x80, 0xbf, 0xc2, 0xe0, 0xa0, 0xed, 0x9f, 0xf0, 0x90, 0xf4, 0x8f, 0xff];
  for (let count = 0; count < 3000; count += 1) {
    cases.push(Uint8Array.from({ length: random(12) }, () => likely[random(likely.length)] ?? 0));
  }
  for (const each of cases)
    assert.equal(decodeText(each), new TextDecoder().decode(each), Buffer.from(each).toString("hex"));
});

test("any string is encoded as TextEncoder encodes it", () => {
  for (const text of ["", "tea", "茶 ☕ 🍵", "\ud83c", "\udf75\ud83c", "a\ud83cb\udf75c"]) {
    assert.deepEqual(encodeText(text), new TextEncoder().encode(text));
  }
});

test("URLs are taken apart as URL does it", () => {
  for (const url of [
    "https://shop.example.com",
    "HTTPS://Shop.Example.com:443/Prices?item=tea&item=coffee#top",
    'http://shop.example.com:8080/a b/茶?q="<>☕',
    "https://[2001:DB8::1]:8443/?a?b",
    "http://127.0.0.1:80?x",
    " https://shop.example.com/%e8%8c%b6%zz ",
    "https://shop.example.com:00443/a/./b/../c?d/../e",
    "https://shop.example.com:08443/a/%2e%2E/b/%2e",
    "https://shop.example.com/a\\b\\..\\c?d\\e",
    "https://shop.example.com/a\nb\t?\rc",
    "https://shop.example.com/a\u2028b?\u2029c",
  ]) {
    const { protocol, host, pathname, search } = new URL(url);
    const { scheme, authority, path } = parseUrl(url) ?? assert.fail(url);
    assert.deepEqual([`${scheme}:`, authority, path], [protocol, host, pathname + search]);
  }
});

test("what others would read a URL into leads where they go", () => {
  for (const [url, authority] of [
    ["https:/shop.example.com", "shop.example.com"],
    ["https:\\\\ada:s3cret@shop.example.com\\a", "shop.example.com"],
    ["https://shop.example.com@evil.example/", "evil.example"],
    ["https://evil.example/@shop.example.com", "evil.example"],
    ["https://evil.example\\@shop.example.com", "evil.example"],
    ["https://evil.example?@shop.example.com", "evil.example"],
    ["https://evil.example#@shop.example.com", "evil.example"],
    ["ht\ntps://shop.example.com", "shop.example.com"],
    ["//shop.example.com", undefined],
    [undefined, undefined],
  ] as const) {
    assert.equal(parseLoosely(url)?.authority, authority, url);
    if (url !== undefined && authority !== undefined) assert.equal(new URL(url).host, authority);
  }
});

test("what is no URL of a request is none", () => {
  for (const url of [
    "",
    "/prices",
    "shop.example.com",
    "ftp://a/",
    "https://",
    "https://a:b@c/",
    "https://ü.example/",
    "https://a b/",
  ]) {
    assert.equal(parseUrl(url), undefined, url);
  }
});

test("a redirect's location is resolved as URL does it", () => {
  const base = "https://shop.example.com/a/b?c=d";
  for (const location of [
    "https://other.example.com/x",
    "//other.example.com/x",
    "/x?y",
    "x",
    "x/../../y/./z",
    "../../..",
    ".",
    "?e=f",
    "",
    "#top",
    "/a/b/..",
    "\\",
    "\\\\other.example.com\\x",
    "/x\ty?\\",
    "%2e%2E/x",
  ]) {
    const { host, pathname, search } = new URL(location, base);
    const there = resolve(parseUrl(base) ?? assert.fail(), location);
    assert.deepEqual(there, { scheme: "https", authority: host, path: pathname + search }, location);
  }
  assert.equal(resolve(parseUrl(base) ?? assert.fail(), "weixin://x"), undefined);
});

test("data goes by method and content type", () => {
  const order = { item: "茶 & tea", quantity: 2, tags: ["a"], note: undefined };
  const json = JSON.stringify(order);
  const form = "item=%E8%8C%B6%20%26%20tea&quantity=2&tags=%5B%22a%22%5D&note=undefined";
  assert.equal(toQuery(order), form);
  assert.equal(toQuery("item=tea"), "item=tea");
  assert.equal(toQuery(undefined), "");
  const text = (data: Parameters<typeof toBody>[0], type: string): string =>
    String(Buffer.from(toBody(data, type) ?? []));
  assert.equal(text(order, "application/json"), json);
  assert.equal(text(order, "application/x-www-form-urlencoded; charset=utf-8"), form);
  assert.equal(text(order, "text/plain"), json);
  assert.equal(text("{raw", "application/json"), "{raw");
  assert.equal(text(bytes(1, 2, 3).buffer, "application/json"), "\u0001\u0002\u0003");
  assert.equal(toBody(undefined, "application/json"), null);
});

test("a query is added to the one that is there", () => {
  const added = (url: string, query: string): string | undefined => {
    const target = parseUrl(url);
    return target && addQuery(target, query).path;
  };
  assert.equal(added("https://a/b", "c=d"), "/b?c=d");
  assert.equal(added("https://a/b?e", "c=d"), "/b?e&c=d");
  assert.equal(added("https://a?", "c=d"), "/?c=d");
  assert.equal(added("https://a/b", ""), "/b");
});

test("a body comes as responseType and dataType ask for it", () => {
  const body = Uint8Array.from(Buffer.from('\ufeff{"tea":340}'));
  assert.deepEqual(fromBody(body, {}), { tea: 340 });
  assert.equal(fromBody(body, { dataType: "text" }), '{"tea":340}');
  assert.deepEqual(fromBody(body, { responseType: "arraybuffer" }), body.buffer);
  assert.equal(fromBody(Uint8Array.from(Buffer.from("{not JSON")), { dataType: "json" }), "{not JSON");
  assert.equal(fromBody(bytes(), {}), "");
});

test("request headers: end-to-end ones, in UTF-8, a byte a character", () => {
  const header = {
    "X-Note": "茶",
    Connection: "close",
    Host: "a",
    Referer: "b",
    "Proxy-Auth": "c",
    n: 1,
    no: null,
  };
  assert.deepEqual(toFields(header), [
    ["x-note", "\u00e8\u008c\u00b6"],
    ["n", "1"],
  ]);
});

test("answer headers: one a name, and set-cookie lines also as a list that can be had back from the joined field", () => {
  const lines = ["a=1; Expires=Wed, 09 Jun 2027 10:18:14 GMT; Path=/", "b=2", "c=3; Max-Age=0"];
  const head = toHead(200, [
    ["vary", "origin"],
    ["vary", "accept"],
    ["constructor", "a name like any other"],
    ...lines.map((line): [string, string] => ["set-cookie", line]),
  ]);
  assert.deepEqual(head, {
    statusCode: 200,
    header: { vary: "origin, accept", constructor: "a name like any other", "set-cookie": lines.join(",") },
    cookies: lines,
  });
  assert.deepEqual(cookieLines(head), lines);
  assert.deepEqual(cookieLines({ header: { "Set-Cookie": lines.join(",") } }), lines);
  assert.deepEqual(cookieLines({ header: {} }), []);
});

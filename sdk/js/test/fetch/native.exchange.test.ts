/**
 * Over the link `fetch` asks the same of an upstream, and gets the same from it, as the platform's own. Left out is where
 * Node departs from the standard (`redirect: "manual"`, PATCH without a body, bytes and forms after a redirect).
 */

import { deflateSync, gzipSync } from "node:zlib";
import { alike, answering, at, here, look, named, same, there } from "./native.js";

function form(): FormData {
  const data = new FormData();
  data.append('ü"\r\n', "tea\nmilk");
  data.append("file", new File(["tea"], 'a"b.txt', { type: "text/plain" }));
  data.append("blob", new Blob(["milk"]));
  return data;
}

const BODIES: Record<string, () => unknown> = {
  text: () => "tea €",
  "no text": () => "",
  "text with half a character": () => "a\ud800b",
  "a number": () => 12,
  parameters: () => new URLSearchParams({ "a ü": "b&c" }),
  "a blob": () => new Blob(["tea"], { type: "Text/X" }),
  "a blob without a type": () => new Blob(["tea"]),
  "an empty blob": () => new Blob([]),
  "a file": () => new File(["tea"], "a.png", { type: "image/png" }),
  null: () => null,
  undefined: () => undefined,
};
const OTHERS: Record<string, () => BodyInit> = {
  "a form": form,
  "a buffer": () => Uint8Array.of(1, 2, 255).buffer,
  "a part of a buffer": () => Uint8Array.of(1, 2, 3, 4).subarray(1, 3),
  "a view": () => new DataView(Uint8Array.of(1, 2, 3, 4).buffer, 1, 2),
  "numbers of two bytes": () => Uint16Array.of(258, 3),
  "a stream": () => new Blob(["te", "a"]).stream(),
};

for (const [name, body] of Object.entries({ ...BODIES, ...OTHERS })) {
  const init = (method: string, headers = {}) => ({
    method,
    headers,
    body: body() as BodyInit,
    duplex: "half" as const,
  });
  alike(`a body: ${name}`, at, () => init("POST"));
  alike(`a body with a type of its own: ${name}`, at, () => init("PUT", { "Content-Type": "a/b" }));
  for (const status of name in BODIES ? [301, 302, 303, 307, 308] : [301, 302, 303]) {
    alike(`${status} of ${name}`, answering({ status, headers: { location: "/x" } }), () => init("POST"));
  }
  if (name === "a stream") continue; // what is short of one in a Request is sent with its length
  same(`a Request with a body is used up: ${name}`, async (fetch) => {
    const request = new Request(at(), init("POST"));
    const used = request.bodyUsed;
    const asked = fetch(request);
    return [used, request.bodyUsed, await look(await asked), await fetch(request).then(look, named)];
  });
}

for (const method of ["get", "HEAD", "post", "put", "delete", "options", "PURGE"]) {
  alike(`the method ${method}`, at, () => ({ method }));
  for (const status of [300, 301, 302, 303, 304, 307, 308]) {
    for (const redirect of ["follow", "error"] as const) {
      const headers = { "content-type": "a/b", "content-language": "en", "x-a": "b" };
      alike(`${method}, ${status}, ${redirect}`, answering({ status, headers: { location: "/x" } }), () => {
        return { method, redirect, headers };
      });
    }
  }
}

const asUtf8 = Buffer.from("/tée/☃?ü").toString("latin1");
for (const location of [
  "y?z",
  "?a=b",
  "",
  "#d",
  "/a b",
  "/%zz",
  "/a/../b",
  "\\x",
  asUtf8,
  "http://[",
  "ftp://x/",
  "data:,x",
]) {
  alike(`a redirect to ${JSON.stringify(location)}`, answering({ status: 302, headers: { location } }));
}
for (const turns of [20, 21]) alike(`${turns} redirects`, () => `${here.origin}/turns/${turns}`);
alike("a redirect to nowhere", answering({ status: 302 }));
for (const status of [302, 307]) {
  const away = () => there.query({ status: 307, headers: { location: `${here.origin}/back` } });
  same(`${status}, to another origin and back: what proves who one is stays behind`, async (fetch) => {
    const headers = { authorization: "a", cookie: "c=d", "x-a": "b" };
    const url = here.query({ status, headers: { location: away() } });
    return look(await fetch(url, { method: "POST", headers, body: "tea" }));
  });
}

alike("fields: joined, trimmed, empty, latin-1", at, () => {
  return {
    headers: [
      ["a", "1"],
      ["A", "2"],
      ["b", " x\t"],
      ["c", ""],
      ["d", "\xfc"],
      ["accept", "text/html"],
    ],
  };
});
for (const cache of ["default", "no-store", "reload", "no-cache"] as const)
  alike(`cache: ${cache}`, at, () => ({ cache }));

for (const status of [200, 201, 203, 204, 205, 206, 299, 304, 400, 404, 418, 451, 500, 503, 599]) {
  const body = [204, 205, 304].includes(status) ? "" : "tea";
  alike(`status ${status}`, answering({ status, body, headers: { "x-a": "b" } }));
}
alike("HEAD keeps its length", answering({ headers: { "content-length": "123" } }), () => ({
  method: "HEAD",
}));
alike(
  "fields of many lines",
  answering({ headers: { vary: ["a", "b"], "x-e": "", "set-cookie": ["a=b", "c=d; Path=/"] } }),
);

const gzip = gzipSync("tea").toString("latin1");
const both = gzipSync(deflateSync("tea")).toString("latin1");
for (const [coding, body] of [
  ["gzip", gzip],
  ["X-GZIP", gzip],
  ["deflate", deflateSync("tea").toString("latin1")],
  ["deflate, gzip", both],
  [["deflate", "gzip"], both],
  ["identity", "tea"],
  ["rot13", "tea"],
  ["gzip", ""],
  ["gzip", "no gzip"],
] as const) {
  const wanted = { body, headers: { "content-encoding": [coding].flat() } };
  alike(`content-encoding ${[coding].join()} of ${JSON.stringify(body.slice(0, 9))}`, answering(wanted));
  alike(`content-encoding ${[coding].join()}, HEAD, ${body.length}`, answering(wanted), () => ({
    method: "HEAD",
  }));
}

const utf8 = (text: string) => Buffer.from(text).toString("latin1");
const READERS = ["text", "json", "blob", "arrayBuffer", "formData"] as const;
for (const [type, body] of [
  ["application/json", '{"tea": 1}'],
  ["application/json", utf8('\ufeff{"tea": 1}')],
  ["application/json", "{"],
  ["text/plain; charset=iso-8859-1", "\xe9a"],
  ["Text/Plain; Charset=UTF-8", utf8("\ufeffTee für 2 €")],
  ["application/x-www-form-urlencoded", "a=b+c&d=%C3%BC"],
  [
    "multipart/form-data; boundary=x",
    '--x\r\ncontent-disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n',
  ],
  ["", ""],
] as const) {
  for (const read of READERS) {
    same(`${read}() of ${JSON.stringify(body)}, ${type}`, async (fetch) => {
      const headers = type === "" ? {} : { "content-type": type };
      const result: unknown = await (await fetch(here.query({ headers, body })))[read]();
      if (result instanceof Blob) return [result.type, await result.text()];
      if (result instanceof ArrayBuffer) return Buffer.from(result).toString("latin1");
      return result instanceof FormData ? [...result] : result;
    });
  }
}

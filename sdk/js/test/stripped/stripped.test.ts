/** The mini program's bundle, and the vectors, where there is nothing but ECMAScript. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify, types } from "node:util";
import { build } from "esbuild";
import type * as entry from "../../src/wechat/index.js";
import { TOPICS } from "../vectors/run.js";
import { asked, failed } from "../wechat/app.js";
import { doubleOfWx } from "../wechat/double.js";
import { startScene, type Scene } from "../gateway.js";
import { MISSING, strippedRuntime } from "./runtime.js";
import type * as vectors from "./vectors.entry.js";

const BUILD = fileURLToPath(new URL("../../build.mjs", import.meta.url));
const VECTORS = new URL("../../../../tests/vectors/", import.meta.url);
let folder: string;
let scene: Scene;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "extproc-link-"));
  const building = promisify(execFile)(process.execPath, [BUILD, folder]);
  [scene] = await Promise.all([startScene(), building]);
});

after(async () => {
  rmSync(folder, { recursive: true });
  await scene.stop();
});

/** What the built file exports, in a runtime of its own. */
function miniProgram(): typeof entry {
  const module = { exports: {} };
  strippedRuntime({ module, exports: module.exports })(
    readFileSync(join(folder, "miniprogram", "index.js"), "utf8"),
  );
  assert.ok(hasNames<typeof entry>(module.exports, ["createLinkRequest", "installLink", "LinkError"]));
  return module.exports;
}

function hasNames<T>(it: object, names: (keyof T & string)[]): it is T & object {
  return names.every((name) => name in it);
}

test("nothing of browsers or of Node is there", () => {
  const run = strippedRuntime();
  for (const name of MISSING) assert.equal(run(`typeof ${name}`), "undefined", name);
  assert.throws(() => run("eval('1')"), { name: "EvalError" });
});

test("the vectors pass", async () => {
  const entryPoints = [fileURLToPath(new URL("vectors.entry.ts", import.meta.url))];
  const { outputFiles } = await build({
    entryPoints,
    bundle: true,
    write: false,
    format: "cjs",
    target: "es2018",
  });
  const module = { exports: {} };
  strippedRuntime({ module, exports: module.exports })(outputFiles[0]?.text ?? assert.fail());
  assert.ok(hasNames<typeof vectors>(module.exports, ["run"]));
  const topics = TOPICS.map((topic): [string, string] => [
    topic,
    readFileSync(new URL(`${topic}.json`, VECTORS), "utf8"),
  ]);
  const draw = (length: number): Uint8Array => crypto.getRandomValues(new Uint8Array(length));
  const { ran, failures } = await module.exports.run(topics, draw);
  assert.equal(failures, "");
  assert.equal(ran, TOPICS.join());
});

test("a mini program works over the link: data both ways, a login, events, a long answer, an upload", async () => {
  const { createLinkRequest } = miniProgram();
  const { wx } = doubleOfWx({ ca: scene.ca ?? undefined });
  const request = createLinkRequest(wx, { gateway: scene.gateway, roots: scene.roots });
  const login = await asked(request, { url: `${scene.shop}/login`, method: "POST", data: { user: "茶" } });
  assert.equal(JSON.stringify(login.data), '{"user":"茶"}');
  assert.equal(JSON.stringify((await asked(request, { url: `${scene.shop}/me` })).data), '{"user":"茶"}');
  const data = new Uint8Array(2 ** 21).fill(0x74).buffer;
  const stored = await asked(request, { url: `${scene.shop}/uploads/t`, method: "PUT", data });
  assert.equal(stored.statusCode, 201);
  const bytes = { url: `${scene.upstream}/bytes?n=300000`, responseType: "arraybuffer" };
  const long = await asked(request, bytes);
  assert.ok(types.isAnyArrayBuffer(long.data));
  assert.equal(long.data.byteLength, 300_000);
  await new Promise<void>((resolve) => {
    const task = request({
      url: `${scene.shop}/events`,
      enableChunked: true,
      fail: () => {
        resolve();
      },
    });
    task.onChunkReceived(() => {
      task.abort();
    });
  });
});

test("failures have their codes there too", async () => {
  const { createLinkRequest } = miniProgram();
  const options = { gateway: scene.gateway, roots: scene.roots };
  const cut = createLinkRequest(doubleOfWx({ ca: scene.ca ?? undefined }).wx, options);
  assert.equal((await failed(cut, { url: `${scene.shop}/export.csv?cut=1` })).code, "truncated");
  const lacking = createLinkRequest(
    doubleOfWx({ ca: scene.ca ?? undefined, withoutRandom: true }).wx,
    options,
  );
  assert.equal((await failed(lacking, { url: `${scene.shop}/prices` })).code, "unsupported");
  const strange = createLinkRequest(doubleOfWx().wx, options); // which does not know the authority
  assert.equal((await failed(strange, { url: `${scene.shop}/prices` })).errno, 600000);
});

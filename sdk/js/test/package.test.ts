/**
 * What is built: the core is small, nothing in it needs `eval`, every form of it has the same names, and an app that has
 * installed it compiles.
 */

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { runInThisContext } from "node:vm";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const LIMIT = 33_000; // bytes, gzipped
const SDK = fileURLToPath(new URL("..", import.meta.url));
const TSC = join(SDK, "node_modules/typescript/bin/tsc");
let app = "";
let folder = ""; // dist of the package, as the app has installed it

before(() => {
  app = mkdtempSync(join(tmpdir(), "extproc-link-"));
  const installed = join(app, "node_modules/@extproc/link");
  folder = join(installed, "dist");
  mkdirSync(folder, { recursive: true });
  symlinkSync(join(SDK, "package.json"), join(installed, "package.json"));
  execFileSync(process.execPath, ["build.mjs", folder], { cwd: SDK });
  execFileSync(process.execPath, [TSC, "-p", "tsconfig.build.json", "--outDir", join(folder, "types")], {
    cwd: SDK,
  });
});

after(() => {
  rmSync(app, { recursive: true });
});

test("the core is under 33 KB, without what is loaded on demand", (t) => {
  for (const name of ["index.js", "extproc-link.js"]) {
    const core = built(name);
    const size = gzipSync(core, { level: 9 }).length;
    t.diagnostic(`${name}: ${String(size)} bytes gzipped`);
    assert.ok(size < LIMIT);
    const loaded = Array.from(core.matchAll(/\bimport\("([^"]+)"\)/g), ([, path]) => path);
    assert.deepEqual(loaded.sort(), ["./noble.js", "./xwing.js"]);
  }
});

test("a service worker may load nothing later, and has it all", () => {
  assert.doesNotMatch(built("service-worker.js"), /\bimport\(/);
});

test("nothing needs eval: it runs under a strict Content-Security-Policy", () => {
  const scripts = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".js"),
  );
  assert.ok(scripts.length >= 8);
  assert.deepEqual(
    scripts.filter((name) => /\beval\(|\bnew Function\b|\bFunction\(/.test(built(name))),
    [],
  );
});

test("the classic script has the names of the module", async () => {
  const module: unknown = await import(pathToFileURL(join(folder, "index.js")).href);
  const names: unknown = runInThisContext(`${built("extproc-link.js")}; Object.keys(ExtprocLink)`);
  assert.ok(typeof module === "object" && module !== null && Array.isArray(names));
  assert.ok(names.includes("createLinkFetch"));
  assert.deepEqual(names.sort(), Object.keys(module).sort());
});

test("what is inside has its license beside it", () => {
  for (const name of ["@bufbuild/protobuf", "@hpke/core", "@noble/curves"]) {
    assert.ok(built("LICENSES.txt").includes(name));
  }
});

test("the published types reach no third party but the one that is adapted to", () => {
  const entries = ["index", "adapters/axios", "adapters/serviceworker", "wechat/index"];
  const files = new Set(entries.map((entry) => `types/${entry}.d.ts`));
  const others: string[] = [];
  for (const file of files) {
    for (const [, target = ""] of built(file).matchAll(/(?:\bfrom |\bimport\()"([^"]+)"/g)) {
      if (target.startsWith(".")) files.add(join(file, "..", target).replace(/\.js$/, ".d.ts"));
      else others.push(target);
    }
  }
  assert.deepEqual(others, ["axios"]);
});

const MODULE = `
  import { createEventSource, createLinkFetch, LinkError, type LinkErrorCode } from "@extproc/link";
  import { linkServiceWorker } from "@extproc/link/service-worker";

  const options = { gateway: "https://gw.example.com", roots: ["ed25519:AbX0"] };
  const linkFetch = createLinkFetch({ ...options, onExchange: ({ code, timings }) => console.log(code, timings.wait) });
  const inItsPlace: typeof fetch = linkFetch;
  const body = new Blob(["tea"]).stream();
  const onUploadProgress = ({ loaded, total }: { loaded: number; total?: number }): void => console.log(loaded, total);
  await linkFetch("/orders", { method: "PUT", body, duplex: "half", repeatable: true, timeoutMs: 0, onUploadProgress });
  const prices = createEventSource(linkFetch, "/events", { headers: { a: "b" } });
  prices.addEventListener("price", ({ data }) => console.log(data));
  prices.onerror = ({ error }) => console.log(error);
  const source: EventSource = prices;
  const codeOf = (error: unknown): LinkErrorCode | undefined => (error instanceof LinkError ? error.code : undefined);
  await linkServiceWorker({ ...options, prefixes: ["/api/"] }).forget();
  console.log(inItsPlace, source, codeOf);
`;
const MINI_PROGRAM = `
  import { createLinkRequest, installLink, type Wx } from "@extproc/link/wechat";

  declare const wx: Wx;
  const options = { gateway: "https://gw.example.com", roots: ["ed25519:AbX0"] };
  createLinkRequest(wx, options)({
    url: "https://shop.example.com/orders",
    success: ({ statusCode, data }) => [statusCode, data],
    fail: ({ errMsg, code, outcomeUnknown }) => [errMsg, code, outcomeUnknown],
  });
  installLink(wx, { ...options, match: "https://shop.example.com" }).uninstall();
`;

const DOM = ["es2022", "dom", "dom.iterable"];

for (const [name, text, lib, module, moduleResolution] of [
  ["a page's module, bundled", MODULE, DOM, "esnext", "bundler"],
  ["a page's module, by Node's rules", MODULE, DOM, "node16", "node16"],
  ["a mini program, where there is no DOM", MINI_PROGRAM, ["es2022"], "esnext", "bundler"],
] as const) {
  test(`strict TypeScript compiles ${name}`, () => {
    const strict = { strict: true, exactOptionalPropertyTypes: true, skipLibCheck: false, types: [] };
    const compilerOptions = { ...strict, noEmit: true, target: "es2022", lib, module, moduleResolution };
    writeFileSync(join(app, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["app.mts"] }));
    writeFileSync(join(app, "app.mts"), text);
    const { stdout } = spawnSync(process.execPath, [TSC, "-p", app], { encoding: "utf8" });
    assert.equal(stdout, "");
  });
}

test("what an app does not import is left out of its bundle", async () => {
  const bundled = async (names: string): Promise<string> => {
    const contents = `export { ${names} } from "@extproc/link";`;
    const stdin = { contents, resolveDir: app };
    const { outputFiles } = await build({
      stdin,
      bundle: true,
      format: "esm",
      external: ["./*"],
      write: false,
    });
    return outputFiles[0]?.text ?? "";
  };
  assert.match(await bundled("createLinkFetch, createEventSource"), /last-event-id/);
  assert.doesNotMatch(await bundled("createLinkFetch"), /last-event-id/);
  assert.doesNotMatch(await bundled("LinkError"), /AES-GCM/);
});

function built(name: string): string {
  return readFileSync(join(folder, name), "utf8");
}

/**
 * What the tests in Chromium play on: the real scene (tests/browser/scene.py), the package as it is built, and
 * pages of another origin than the gateway's, over TLS, under a strict Content-Security-Policy.
 */

import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { build } from "esbuild";
import { chromium, type Browser, type Page } from "playwright-core";

import { PAGES } from "../../build.mjs";
import type * as sdkModule from "../../src/index.js";
import { startScene, type Scene as Gateway } from "../gateway.js";

declare global {
  /** In the page: the package, and a link by the scene's facts. */
  var sdk: typeof sdkModule;
  var linkFetch: sdkModule.LinkFetch;
  /** What the page's Content-Security-Policy has refused. */
  var violations: string[];
}

export const ROOT = fileURLToPath(new URL("../../../../", import.meta.url));
const CHROMIUM = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
const HERE = fileURLToPath(new URL(".", import.meta.url));

/** With what a browser needs; see tests/browser/scene.py. */
export interface Scene extends Gateway {
  page: string;
  stranger: string;
  spki: string;
  certificate: string;
  private_key: string;
}

export class Stage {
  readonly scene: Scene;
  readonly browser: Browser;
  readonly #folder: string;

  private constructor(scene: Scene, browser: Browser, folder: string) {
    this.scene = scene;
    this.browser = browser;
    this.#folder = folder;
  }

  /** Everything started. `options`: of the scene. */
  static async raise(...options: string[]): Promise<Stage> {
    const folder = await mkdtemp(`${tmpdir()}/extproc-browser-`);
    await promisify(execFile)(process.execPath, [`${HERE}../../build.mjs`, folder]);
    await buildProps(folder);
    const serve = ["--serve", `/sdk/=${folder}`, "--serve", `/vectors/=${ROOT}tests/vectors`];
    const scene = (await startScene(...serve, ...options)) as Scene;
    const browser = await launch(`--ignore-certificate-errors-spki-list=${scene.spki}`);
    return new Stage(scene, browser, folder);
  }

  /** A page of an origin in a browser of its own, with `linkFetch` for the gateway, or another one. */
  async page(origin = this.scene.page, path = "/", gateway = this.scene.gateway): Promise<Page> {
    const context = await this.browser.newContext();
    const page = await context.newPage();
    await this.visit(page, `${origin}${path}`, gateway);
    return page;
  }

  /** Go there, or reload. */
  async visit(page: Page, url: string, gateway = this.scene.gateway): Promise<void> {
    await page.addInitScript(PRELUDE);
    await page.goto(url);
    await page.evaluate(
      (options) => {
        if ("sdk" in globalThis) globalThis.linkFetch = sdk.createLinkFetch(options);
      },
      { gateway, roots: this.scene.roots },
    );
  }

  /** A counter or gauge of Envoy's. */
  async stat(name: string): Promise<number> {
    const text = await (await fetch(`${this.scene.admin}/stats?filter=^${name}$`)).text();
    return Number(text.split(": ")[1]);
  }

  async close(): Promise<void> {
    await this.browser.close();
    await this.scene.stop();
    await rm(this.#folder, { recursive: true });
  }
}

export function launch(...options: string[]): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", ...options] });
}

/** What `check` gives, once it gives something. */
export async function eventually<T>(check: () => T | undefined | Promise<T | undefined>): Promise<T> {
  for (let attempt = 0; attempt < 400; attempt++) {
    const found = await check();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error("not within ten seconds");
}

/** In the page: it notes what its policy refuses. And tsx names functions by a helper that the page does not have. */
export const PRELUDE = `
  globalThis.__name = (it) => it;
  globalThis.violations = [];
  addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) =>
    violations.push(violatedDirective + " " + blockedURI));
`;

/** What is loaded into pages beside the package. */
function buildProps(folder: string): Promise<unknown> {
  return build({
    ...PAGES,
    entryPoints: { "vectors.page": `${HERE}vectors.page.ts`, "axios.page": `${HERE}axios.page.ts` },
    outdir: folder, // beside what they load on demand
  });
}

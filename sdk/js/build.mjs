/**
 * Builds the package: node build.mjs [FOLDER]. Without a folder it is dist/.
 *
 * What is built holds all that it needs: it runs as it is served, and nothing else is installed beside it.
 */

import { copyFile, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const HERE = fileURLToPath(new URL(".", import.meta.url));

/** What is loaded on demand: each holds all that it needs, so that the core carries nothing for it. */
const ON_DEMAND = { noble: "src/crypto/noble.ts", xwing: "src/crypto/xwing.ts" };

/**
 * @hpke/core asks Node 18 and older for its crypto module, by a name that bundlers for browsers can't resolve.
 * @type {import("esbuild").Plugin}
 */
const withoutNodeCrypto = {
  name: "without-node-crypto",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^crypto$/ }, ({ path }) => ({ path, namespace: "nothing" }));
    onLoad({ filter: /.*/, namespace: "nothing" }, () => ({ contents: "export {};" }));
  },
};

/**
 * What is loaded on demand lies beside what loads it.
 * @type {import("esbuild").Plugin}
 */
const onDemand = {
  name: "on-demand",
  setup({ onResolve }) {
    onResolve({ filter: /^\.\/(noble|xwing)\.js$/ }, ({ path, kind }) =>
      kind === "dynamic-import" ? { path, external: true } : undefined,
    );
  },
};

/**
 * What is not used of @hpke goes: its package.json says that it may, but not the one beside its modules, which is nearer.
 * @type {import("esbuild").Plugin}
 */
const withoutUnused = {
  name: "without-unused",
  setup({ onResolve, resolve }) {
    onResolve({ filter: /^@hpke\/|^\./ }, async ({ path, pluginData, ...from }) => {
      if (pluginData === withoutUnused || !/@hpke\//.test(from.importer + path)) return undefined;
      return { ...(await resolve(path, { ...from, pluginData: withoutUnused })), sideEffects: false };
    });
  },
};

/** @satisfies {import("esbuild").BuildOptions} */
const COMMON = {
  absWorkingDir: HERE,
  bundle: true,
  minify: true,
  target: "es2022",
  charset: /** @type {const} */ ("utf8"),
  legalComments: /** @type {const} */ ("none"), // all licenses are in one file
  metafile: /** @type {const} */ (true),
  logLevel: /** @type {const} */ ("warning"),
  plugins: [withoutNodeCrypto, withoutUnused],
};

/**
 * Modules for pages. No splitting: esbuild would put what only the parts on demand need of a library into the core.
 * @satisfies {import("esbuild").BuildOptions}
 */
export const PAGES = {
  ...COMMON,
  format: /** @type {const} */ ("esm"),
  plugins: [...COMMON.plugins, onDemand],
};

/** @param {string} folder */
function buildModules(folder) {
  const entryPoints = { index: "src/index.ts", axios: "src/adapters/axios.ts" };
  return build({ ...PAGES, entryPoints, outdir: folder });
}

/**
 * What modules for pages load on demand, to lie beside them.
 * @param {string} folder
 */
export function buildOnDemand(folder) {
  return build({ ...COMMON, entryPoints: ON_DEMAND, outdir: folder, format: "esm" });
}

/**
 * A classic script: the global `ExtprocLink`.
 * @param {string} folder
 */
function buildClassic(folder) {
  const entryPoints = { "extproc-link": "src/index.ts" };
  const { plugins } = PAGES;
  return build({
    ...COMMON,
    entryPoints,
    outdir: folder,
    format: "iife",
    globalName: "ExtprocLink",
    plugins,
  });
}

/**
 * For where nothing is loaded on demand: service workers, which may not `import()`, and mini programs, as a module and
 * for "build npm" of WeChat's tools. Each is one file.
 * @param {string} folder
 */
function buildWhole(folder) {
  const worker = { "service-worker": "src/adapters/serviceworker.ts" };
  const [wechat, npm] = [{ wechat: "src/wechat/index.ts" }, { "miniprogram/index": "src/wechat/index.ts" }];
  const [common, outdir] = [{ ...COMMON, target: "es2018" }, folder];
  return [
    build({ ...COMMON, entryPoints: worker, outdir, format: "esm" }),
    build({ ...common, entryPoints: wechat, outdir, format: "esm" }),
    build({ ...common, entryPoints: npm, outdir, format: "cjs" }),
  ];
}

/**
 * What is inside, and the licenses of it.
 * @param {string[]} inputs
 */
export async function licenses(inputs) {
  const names = inputs.flatMap((input) => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1] ?? []);
  const texts = [...new Set(names)].sort().map(async (name) => {
    const folder = `${HERE}node_modules/${name}`;
    /** @type {{ version: string, license: string }} */
    const { version, license } = JSON.parse(await readFile(`${folder}/package.json`, "utf8"));
    const file = (await readdir(folder)).find((entry) => /^licen[cs]e/i.test(entry));
    const text = file === undefined ? "" : await readFile(`${folder}/${file}`, "utf8");
    return `${name} ${version}: ${license}\n\n${text.trim()}\n`;
  });
  return (await Promise.all(texts)).join(`\n${"-".repeat(72)}\n\n`);
}

/** @param {string} folder */
async function main(folder) {
  await rm(folder, { recursive: true, force: true });
  const pages = [buildModules(folder), buildClassic(folder), buildOnDemand(folder)];
  const built = await Promise.all([...pages, ...buildWhole(folder)]);
  const inputs = built.flatMap(({ metafile }) => Object.keys(metafile.inputs));
  await writeFile(`${folder}/LICENSES.txt`, await licenses(inputs));
  await copyFile(`${HERE}../../LICENSE`, `${folder}/LICENSE`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv[2] ?? `${HERE}dist`);

/** Builds the page of `extproc demo` into an empty folder: node demo/build.mjs FOLDER */

import { copyFile, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { PAGES, buildOnDemand, licenses } from "../build.mjs";

const HERE = fileURLToPath(new URL(".", import.meta.url));

/** @param {string} folder */
async function main(folder) {
  const page = build({ ...PAGES, entryPoints: [`${HERE}page.ts`], outdir: folder });
  const built = await Promise.all([page, buildOnDemand(folder)]);
  const inputs = built.flatMap(({ metafile }) => Object.keys(metafile.inputs));
  await writeFile(`${folder}/LICENSES.txt`, await licenses(inputs));
  for (const file of ["index.html", "page.css", "icon.svg"])
    await copyFile(`${HERE}${file}`, `${folder}/${file}`);
}

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error("usage: node demo/build.mjs FOLDER");
await main(resolve(folder));

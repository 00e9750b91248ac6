/**
 * The page of `extproc demo`, as it is checked in.
 *
 * Invariant: what it shows of the wire is what the tap saw: of a sealed exchange no word, of a plain one every word.
 */

import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { createInterface } from "node:readline";

import type { Browser, Page } from "playwright-core";

import { launch, PRELUDE, ROOT } from "./stage.js";

let demo: ChildProcess;
let address: string;
let browser: Browser;

before(async () => {
  const child = spawn(`${ROOT}.venv/bin/python`, ["-u", "-m", "extproc", "demo"], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "inherit"],
  });
  demo = child;
  for await (const line of createInterface(child.stdout)) {
    const [, url] = /in a browser: (\S+)/.exec(line) ?? [];
    if (url === undefined) continue;
    address = url;
    break;
  }
  browser = await launch();
});
after(async () => {
  await browser.close();
  demo.kill("SIGINT");
  await once(demo, "exit");
});

async function open(options: Parameters<Browser["newContext"]>[0] = {}): Promise<Page> {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  await page.addInitScript(PRELUDE);
  await page.goto(address);
  await verdict(page, /finds none of these 3 words/); // the prices
  return page;
}

/** Waits for the line above the two layers. */
async function verdict(page: Page, text: RegExp): Promise<void> {
  await page.locator("#verdict", { hasText: text }).waitFor({ timeout: 10_000 });
}

/** Loopback may be done with 20 MB before the browser tells of any progress, which it does every 50 ms. */
async function slow(page: Page, uploadThroughput: number): Promise<void> {
  const session = await page.context().newCDPSession(page);
  await session.send("Network.emulateNetworkConditions", {
    offline: false,
    latency: 0,
    downloadThroughput: -1,
    uploadThroughput, // octets a second
  });
}

const layer = (page: Page, name: string) => page.getByRole("article", { name });

/** Words of an order: its number, in hexadecimal, is not always one. */
const ORDERS = "9|1\\d";

test("a sealed order: the code has all of it, the wire nothing", async () => {
  const page = await open();
  await page.getByRole("button", { name: "Order" }).click();
  await verdict(page, new RegExp(`none of these (${ORDERS}) words`));
  await page.getByText(/Ordered: 2 × cocoa, €8\.20/).waitFor();
  const [code, wire] = await Promise.all([
    layer(page, "Your code").innerText(),
    layer(page, "The wire").innerText(),
  ]);
  assert.match(code, /await\slinkFetch\("https:\/\/shop\.example\.com\/orders"/);
  for (const word of ["cocoa", "Lovelace", "demo-token-of-ada"]) {
    assert.ok(code.includes(word));
    assert.ok(!wire.includes(word));
  }
  assert.match(wire, /POST \/_link HTTP\/1\.1/);
  assert.match(wire, /encapsulation, 1,168 bytes/); // X-Wing's
  assert.match(wire, /application\/privatelink/);
  assert.match(wire, /__Secure-pl-/);
});

test("a plain order: the wire has all of it too", async () => {
  const page = await open();
  await page.getByRole("radio", { name: "Plain" }).check();
  await verdict(page, /finds 3 of these 3 words/);
  await page.getByRole("button", { name: "Order" }).click();
  await verdict(page, new RegExp(`finds (${ORDERS}) of these \\1 words`));
  const wire = await layer(page, "The wire").innerText();
  for (const word of [
    "POST /orders HTTP/1.1",
    "Bearer demo-token-of-ada",
    '"note":"for Lovelace, second floor"',
  ]) {
    assert.ok(wire.includes(word), word);
  }
  assert.ok((await layer(page, "The wire").locator("mark").count()) > 10);
  assert.match(
    await layer(page, "Your code").innerText(),
    /await\sfetch\("http:\/\/127\.0\.0\.1:\d+\/orders"/,
  );
});

test("login and logout, each way with its own cookies", async () => {
  const page = await open();
  const outcome = page.locator("#account-outcome");
  for (const way of ["Sealed", "Plain"]) {
    await page.getByRole("radio", { name: way }).check();
    await page.getByRole("button", { name: "Who am I?" }).click();
    await outcome.getByText("You are not signed in.").waitFor();
    await page.getByRole("button", { name: "Sign in" }).click();
    await outcome.getByText("Signed in as lovelace.").waitFor();
    await page.getByRole("button", { name: "Who am I?" }).click();
    await outcome.getByText("You are lovelace, by your cookie.").waitFor();
  }
  // A plain session does not go along beside envelopes.
  await page.getByRole("radio", { name: "Sealed" }).check();
  await page.getByRole("button", { name: "Who am I?" }).click();
  await outcome.getByText("You are lovelace, by your cookie.").waitFor();
  assert.doesNotMatch(await layer(page, "The wire").innerText(), /session=/);
  await page.getByRole("button", { name: "Sign out" }).click();
  await outcome.getByText("Signed out.").waitFor();
  await page.getByRole("button", { name: "Who am I?" }).click();
  await outcome.getByText("You are not signed in.").waitFor();
});

test("20 MB go up with progress, and can be canceled", async () => {
  const page = await open();
  await slow(page, 10_000_000);
  const [send, outcome] = [page.getByRole("button", { name: "Send" }), page.locator("#upload-outcome")];
  for (const way of ["Sealed", "Plain"]) {
    await page.getByRole("radio", { name: way }).check();
    await page.evaluate(() => {
      globalThis.shares = [];
      const progress = document.querySelector("progress");
      const note = (): void => void shares.push(progress?.value ?? 0);
      if (progress) new MutationObserver(note).observe(progress, { attributes: true });
    });
    await send.click();
    await outcome
      .getByText(/20\.0 MB arrived\. SHA-256 is \w{12}… here and there\./)
      .waitFor({ timeout: 20_000 });
    const shares = await page.evaluate(() => globalThis.shares);
    assert.ok(
      shares.some((share) => share > 0 && share < 1),
      `none between in ${shares.join()}`,
    );
  }
  await page.getByRole("radio", { name: "Sealed" }).check();
  await send.click();
  await page.getByRole("button", { name: "Cancel" }).click();
  await outcome.getByText("Canceled").waitFor();
});

test("live prices come one by one, until they are switched off", async () => {
  const page = await open();
  const live = page.getByRole("switch", { name: "Live prices" });
  await live.check();
  await page.getByText(/price: \{"item": "coffee"/).waitFor({ timeout: 10_000 });
  await verdict(page, /finds none of these/);
  assert.match(await layer(page, "The wire").innerText(), /in \d segments/);
  await live.uncheck();
});

test("the keyboard is enough", async () => {
  const page = await open();
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), "Skip to the two layers");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement?.id), "layers");
  await page.getByRole("radio", { name: "Sealed" }).focus();
  await page.keyboard.press("ArrowRight");
  await verdict(page, /finds 3 of these 3 words/);
  await page.getByRole("textbox", { name: "Note to the shop" }).focus();
  await page.keyboard.press("Enter");
  await page.getByText(/Ordered: 2 × cocoa/).waitFor();
  await page.getByRole("button", { name: /GET \/prices plain, 200/ }).focus();
  await page.keyboard.press("Enter");
  await verdict(page, /finds 3 of these 3 words/);
  assert.match(await page.evaluate(() => document.activeElement?.textContent ?? ""), /GET \/prices/);
});

test("it has what readers of the screen go by, breaks no policy and asks nobody else", async () => {
  const page = await open();
  for (const role of ["banner", "main", "contentinfo", "navigation"] as const) {
    assert.equal(await page.getByRole(role).count(), 1, role);
  }
  for (const name of ["Shelf", "Account", "Upload", "Two layers"]) {
    assert.equal(await page.getByRole("region", { name, exact: true }).count(), 1, name);
  }
  const unnamed = await page.evaluate(() =>
    [...document.querySelectorAll("input, select")]
      .filter((it) => !("labels" in it && (it.labels as NodeList).length > 0))
      .map(({ outerHTML }) => outerHTML),
  );
  assert.deepEqual(unnamed, []);
  assert.deepEqual(await page.evaluate(() => violations), []);
  const asked = await page.evaluate(() =>
    performance.getEntriesByType("resource").map(({ name }) => new URL(name).hostname),
  );
  assert.deepEqual([...new Set(asked)], ["127.0.0.1"]);
});

for (const width of [320, 390, 820, 1100, 1440]) {
  test(`nothing is wider than ${width} pixels`, async () => {
    const page = await open({ viewport: { width, height: 900 } });
    await page.getByRole("button", { name: "Order" }).click();
    await verdict(page, new RegExp(`none of these (${ORDERS}) words`));
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), width);
  });
}

declare global {
  var shares: number[];
}

/** The page of `extproc demo`: a small shop over the link, beside what the wire carried. */

import { Account } from "./account.js";
import { Client, type Settings } from "./client.js";
import { get, h } from "./dom.js";
import { Exchanges, type Exchange, type WayName } from "./exchanges.js";
import { Inspector } from "./inspector.js";
import { Shelf } from "./shelf.js";
import { follow } from "./tap.js";
import { Upload } from "./upload.js";

const HINTS: Record<WayName, string> = {
  sealed: "Over the link: one envelope each way.",
  plain: "Without the link, over the same line.",
};

async function main(): Promise<void> {
  const response = await fetch("settings.json");
  const settings = (await response.json()) as Settings; // eslint-disable-line @typescript-eslint/no-unsafe-type-assertion -- of our own server
  const changed = (exchange: Exchange): void => {
    inspector.update(exchange);
  };
  const exchanges: Exchanges = new Exchanges(navigator.userAgent, changed);
  const inspector = new Inspector(exchanges);
  await follow("wire", (turn) => {
    exchanges.passed(turn);
  });
  const client = new Client(settings, exchanges);
  const [shelf, account] = [new Shelf(client), new Account(client)];
  new Upload(client);
  showFacts(settings);
  const turn = (way: WayName): void => {
    shelf.stop();
    client.turn(way, () => account.leavePlain());
    void shelf.load();
  };
  onSwitch(turn);
  turn("sealed");
}

function onSwitch(choose: (way: WayName) => void): void {
  const hint = get("way-hint", HTMLElement);
  get("way", HTMLFieldSetElement).addEventListener("change", ({ target }) => {
    if (!(target instanceof HTMLInputElement)) return;
    const way = target.value === "plain" ? "plain" : "sealed";
    document.documentElement.dataset["way"] = way;
    hint.textContent = HINTS[way];
    choose(way);
  });
}

function showFacts({ gateway, roots, shop }: Settings): void {
  const facts = { Gateway: gateway, "Root key": roots.join(", "), Shop: `${shop}, behind the gateway` };
  for (const [name, value] of Object.entries(facts))
    get("facts", HTMLElement).append(h("dt", {}, name), h("dd", {}, value));
}

void main();

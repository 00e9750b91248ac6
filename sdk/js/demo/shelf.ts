/** What the shop sells: prices, live when asked, and orders. */

import type { Client, EventsOf } from "./client.js";
import { control, get, h, svg, tell } from "./dom.js";

const KEPT_PRICES = 24;
const money = new Intl.NumberFormat("en", { style: "currency", currency: "EUR" });

interface Row {
  price: HTMLElement;
  spark: SVGElement;
  history: number[];
}

export class Shelf {
  readonly #client: Client;
  readonly #rows = new Map<string, Row>();
  readonly #list = get("shelf", HTMLUListElement);
  readonly #form = get("order", HTMLFormElement);
  readonly #outcome = get("order-outcome", HTMLElement);
  readonly #live = get("live", HTMLInputElement);
  #events: EventsOf | undefined;

  constructor(client: Client) {
    this.#client = client;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#order();
    });
    this.#live.addEventListener("change", () => {
      void this.#follow();
    });
  }

  /** Fetch the prices. */
  async load(): Promise<void> {
    try {
      const { data } = await this.#client.send({ method: "GET", path: "/prices" });
      const prices = Object.entries(isRecord(data) ? data : {});
      for (const [item, price] of prices) this.#priced(item, Number(price));
    } catch {
      tell(this.#outcome, "The shop can't be reached.", "bad");
    }
  }

  /** End what is live: the other way begins anew. */
  stop(): void {
    this.#live.checked = false;
    this.#events?.close();
    this.#events = undefined;
  }

  async #follow(): Promise<void> {
    const isWanted = (): boolean => this.#live.checked;
    if (!isWanted()) {
      this.stop();
      return;
    }
    const events = await this.#client.events("/events", "price", (data) => {
      const event: unknown = JSON.parse(data);
      if (isRecord(event)) this.#priced(String(event["item"]), Number(event["price"]));
    });
    if (isWanted()) this.#events = events;
    else events.close(); // it was switched off meanwhile
  }

  #priced(item: string, cents: number): void {
    const row = this.#rows.get(item) ?? this.#add(item);
    row.history.push(cents);
    row.history.splice(0, row.history.length - KEPT_PRICES);
    row.price.textContent = money.format(cents / 100);
    drawSpark(row);
  }

  #add(item: string): Row {
    const row = { price: h("span", { class: "price" }), spark: svg("polyline", { points: "" }), history: [] };
    const graph = svg(
      "svg",
      { class: "spark", viewBox: "0 0 100 24", preserveAspectRatio: "none", "aria-hidden": "true" },
      row.spark,
    );
    const cell = h("span");
    cell.append(graph);
    this.#list.append(h("li", {}, item, cell, row.price));
    control(this.#form, "item", HTMLSelectElement).append(h("option", { selected: item === "cocoa" }, item));
    this.#rows.set(item, row);
    return row;
  }

  async #order(): Promise<void> {
    const form = new FormData(this.#form);
    const order = { item: form.get("item"), quantity: Number(form.get("quantity")), note: form.get("note") };
    const headers = { "content-type": "application/json", authorization: "Bearer demo-token-of-ada" };
    try {
      const { status, data } = await this.#client.send({
        method: "POST",
        path: "/orders",
        headers,
        body: JSON.stringify(order),
      });
      if (status === 201 && isRecord(data)) {
        const total = money.format(Number(data["total"]) / 100);
        tell(
          this.#outcome,
          `Ordered: ${order.quantity} × ${String(data["item"])}, ${total}. Number ${String(data["id"])}.`,
        );
      } else
        tell(this.#outcome, `The shop says ${status}: ${isRecord(data) ? String(data["error"]) : ""}`, "bad");
    } catch (error) {
      tell(this.#outcome, `Not ordered. ${String(error)}`, "bad");
    }
  }
}

function drawSpark({ spark, history }: Row): void {
  const [low, high] = [Math.min(...history), Math.max(...history)];
  const points = history.map((cents, at) => {
    const x = (at / (history.length - 1)) * 100;
    const y = 22 - ((cents - low) / (high - low)) * 20;
    return `${x.toFixed(1)},${y.toFixed(1)}`;
  });
  spark.setAttribute("points", high > low ? points.join(" ") : "");
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

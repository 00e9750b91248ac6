/** A link to the double of a gateway, and calls over it. */

import { concat, fromUtf8, utf8 } from "../../src/bytes.js";
import { LinkError } from "../../src/errors.js";
import type { InnerAnswer, InnerCall } from "../../src/link/call.js";
import type { ExchangeEvent } from "../../src/link/events.js";
import { Link } from "../../src/link/link.js";
import type { LinkOptions } from "../../src/link/options.js";
import { memoryStore } from "../../src/link/store.js";
import type { Store } from "../../src/link/store.js";
import { Clock } from "./clock.js";
import { Gateway, LINK } from "./gateway.js";

export class Scene {
  readonly clock = new Clock();
  readonly store: Store = memoryStore();
  readonly events: ExchangeEvent[] = [];
  readonly warnings: string[] = [];
  readonly gateway: Gateway;

  private constructor(clock: Clock, gateway: Gateway) {
    this.clock = clock;
    this.gateway = gateway;
  }

  static async open(): Promise<Scene> {
    const clock = new Clock();
    return new Scene(clock, await Gateway.at(clock));
  }

  /** Another page of the same origin, unless it is given a store of its own. */
  link(options: Partial<LinkOptions> = {}): Link {
    return new Link(
      {
        ...{ gateway: LINK, ...(options.keys ? {} : { roots: [this.gateway.root.text] }) },
        onExchange: (event) => this.events.push(event),
        onWarning: (text) => this.warnings.push(text),
        ...options,
      },
      this.clock.platform(this.gateway, this.store),
    );
  }

  /** The outer body of the last request that came. */
  get wire(): Uint8Array {
    return this.gateway.posts.at(-1)?.bytes ?? new Uint8Array();
  }
}

/** One page, with its link. */
export async function opening(options: Partial<LinkOptions> = {}): Promise<Page> {
  const scene = await Scene.open();
  const { gateway, clock, events, warnings } = scene;
  return { scene, gateway, clock, events, warnings, link: scene.link(options) };
}

export interface Page extends Pick<Scene, "gateway" | "clock" | "events" | "warnings"> {
  readonly scene: Scene;
  readonly link: Link;
}

export function call(method: string, changes: Partial<InnerCall> = {}): InnerCall {
  const body = method === "GET" || method === "HEAD" ? null : utf8("tea");
  return {
    ...{ method, scheme: "https", authority: "shop.example.com", path: "/orders?n=1" },
    ...{ headers: [], body, credentials: "include", ...changes },
  };
}

export async function text(answer: InnerAnswer): Promise<string> {
  return fromUtf8(await bytes(answer.body));
}

export async function bytes(body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of body) pieces.push(piece);
  return concat(...pieces);
}

/** The LinkError that it rejects with. */
export async function failure(promise: Promise<unknown>): Promise<LinkError> {
  const error: unknown = await rejection(promise);
  if (error instanceof LinkError) return error;
  throw error;
}

export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => {
      throw new Error("it did not fail");
    },
    (error: unknown) => error,
  );
}

/** Once it is so: what goes on by itself shows no end of its own. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 5000; Date.now() < end;) {
    if (await isSo()) return;
    await new Promise(setImmediate);
  }
  throw new Error("not within five seconds");
}

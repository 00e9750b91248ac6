/**
 * What a client remembers of a link across reloads: the directory last accepted, the highest serial accepted of
 * each root (the floor below which a directory counts as rolled back), and the cookie binding.
 *
 * The pages of an origin share it. Text that can't be read as such is not trusted: it is kept aside, the floor is
 * forgotten, and the directory is fetched afresh; whoever can write the store can empty it as well.
 */

import { base64url, fromBase64url } from "../bytes.js";
import type { Bytes } from "../bytes.js";
import { outranks } from "../wire/directory.js";
import type { Accepted, Seen } from "../wire/directory.js";
import { within } from "./platform.js";
import type { Platform } from "./platform.js";
import { memoryStore } from "./store.js";
import type { Change, Store } from "./store.js";

export const BINDING_LENGTH = 32;
const VERSION = 1;
const PATIENCE_MS = 2000;

/** Of one link. */
export interface Remembered {
  /** A SignedKeyDirectory. */
  readonly signed?: Uint8Array | undefined;
  readonly seen: Seen;
  readonly binding?: Uint8Array | undefined;
}

export const NOTHING: Remembered = { seen: new Map() };

/** The place of one link in a store, which costs no exchange: when the store fails, the page's memory has it all. */
export class Memory {
  readonly #platform: Platform;
  readonly #key: string;
  readonly #warn: (text: string) => void;
  readonly #given: Store;
  #store: Store;
  #text: string | undefined;

  constructor(platform: Platform, store: Store, link: string, warn: (text: string) => void) {
    this.#platform = platform;
    this.#given = store;
    this.#store = store;
    this.#key = `extproc-link ${link}`;
    this.#warn = warn;
  }

  /** What another page has changed since this was last asked, or told; undefined: nothing. */
  async changed(): Promise<Remembered | undefined> {
    const old = this.#text;
    const text = await this.#update((kept) => kept);
    return text === old ? undefined : this.#parsed(text);
  }

  /** Adds to what is remembered: what it is now, with what other pages have added. */
  async add(remembered: Remembered): Promise<Remembered> {
    const text = await this.#update((kept) => render(merge(parse(kept) ?? NOTHING, remembered)));
    return this.#parsed(text);
  }

  /** Rejects when it is still there: this costs more than a request. */
  async forget(): Promise<void> {
    this.#text = undefined;
    this.#store = this.#given;
    await this.#inTime(() => undefined);
    await this.#inTime(() => undefined, this.#aside);
  }

  async #update(change: Change): Promise<string | undefined> {
    try {
      this.#text = await this.#inTime(change);
    } catch (error) {
      this.#warn(`the directory and the cookie binding are remembered in memory only: ${String(error)}`);
      this.#store = memoryStore();
      this.#text = await this.#store.update(this.#key, () => change(this.#text));
    }
    return this.#text;
  }

  #inTime(change: Change, key = this.#key): Promise<string | undefined> {
    return within(this.#platform, PATIENCE_MS, this.#store.update(key, change));
  }

  /** Where damaged text is kept. */
  get #aside(): string {
    return `${this.#key} corrupt`;
  }

  #parsed(text: string | undefined): Remembered {
    const remembered = parse(text);
    if (remembered === undefined) {
      this.#warn("what was remembered is damaged: the rollback floor is forgotten, and the text kept aside");
      void this.#store.update(this.#aside, () => text).catch(() => undefined);
    }
    return remembered ?? NOTHING;
  }
}

/** Of each root the higher serial; of one serial with two contents the first; of two bindings the first. */
export function merge(old: Remembered, added: Remembered): Remembered {
  const seen = new Map(added.seen);
  let isOvertaken = false;
  for (const [root, known] of old.seen) {
    const offered = added.seen.get(root);
    if (offered && !outranks(known, offered)) continue;
    seen.set(root, known);
    isOvertaken ||= offered !== undefined;
  }
  const signed = isOvertaken ? old.signed : (added.signed ?? old.signed);
  return { signed, seen, binding: old.binding ?? added.binding };
}

function render({ signed, seen, binding }: Remembered): string {
  return JSON.stringify({
    version: VERSION,
    directory: base64url(signed ?? new Uint8Array()),
    accepted: Object.fromEntries(seen),
    cookieBinding: base64url(binding ?? new Uint8Array()),
  });
}

/** Undefined: it is damaged. */
function parse(text: string | undefined): Remembered | undefined {
  if (text === undefined) return NOTHING;
  try {
    return fromDocument(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function fromDocument(document: unknown): Remembered | undefined {
  if (!isObject(document) || document["version"] !== VERSION || !isObject(document["accepted"]))
    return undefined;
  const { directory, accepted, cookieBinding } = document;
  if (typeof directory !== "string" || typeof cookieBinding !== "string") return undefined;
  const entries = Object.entries(accepted).filter(isAccepted);
  if (entries.length < Object.keys(accepted).length) return undefined;
  const binding = bytesOf(cookieBinding);
  if (binding && binding.length !== BINDING_LENGTH) return undefined;
  return { signed: bytesOf(directory), seen: new Map(entries), binding };
}

function bytesOf(text: string): Bytes | undefined {
  return text === "" ? undefined : fromBase64url(text);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isAccepted(entry: [string, unknown]): entry is [string, Accepted] {
  const [, value] = entry;
  return isObject(value) && Number.isSafeInteger(value["serial"]) && typeof value["digest"] === "string";
}

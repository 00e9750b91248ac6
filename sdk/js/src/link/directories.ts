/**
 * The key directory that a link goes by, and when to ask for another (protocol, section 11).
 *
 * All times of a directory are judged by the device's own clock, never by what a gateway said of the time: expiry
 * is revocation, and who holds a revoked gateway key must not be able to turn the clock back.
 */

import { outranks, preferredKey, verifyDirectory } from "../wire/directory.js";
import type { Directory, Seen } from "../wire/directory.js";
import type { PublicKey } from "../wire/keys.js";
import type { Config } from "./options.js";
import { uniform } from "./platform.js";
import type { Platform } from "./platform.js";

/** Between two fetches for `unknown-key`, and after a refresh that failed. */
const ASK_AGAIN_MS = 60_000;
const SERIAL_JITTER_MS = 5000; // a higher serial reaches every client at once
const HALF = [0.45, 0.55] as const; // of a directory's life, with jitter
const PINNED_MAX_REQUEST = 2 ** 20; // pinned keys come without the gateway's limit: its default; more streams

/** A directory that holds now, and the key of it to seal to. */
export interface Choice {
  readonly directory: Directory;
  readonly key: PublicKey;
}

/** The one directory in use. */
export class Directories {
  signed: Uint8Array | undefined;
  seen: Seen = new Map();
  readonly #config: Config;
  readonly #platform: Platform;
  #held: Directory | undefined;
  #accepted: Seen = new Map(); // as what `#held` was accepted
  #jitter = 0; // from 0 to 1, drawn with each directory
  #refreshAtMs = Infinity;
  #wanted = 0; // the highest serial heard of
  #askedAtMs = -Infinity; // by the clock that does not jump

  constructor(config: Config, platform: Platform) {
    this.#config = config;
    this.#platform = platform;
    if (this.isPinned) this.#held = unchanging(config);
  }

  get isPinned(): boolean {
    return this.#config.pinned.length > 0;
  }

  /** Whether there has been no directory yet. */
  get isFirst(): boolean {
    return this.#held === undefined;
  }

  /** Whether the gateway has spoken of a newer directory. */
  get isBehind(): boolean {
    return this.#held !== undefined && this.#wanted > this.#held.serial;
  }

  /** What to seal with now: always the most preferred key whose dates hold. Undefined: fetch first. */
  choice(): Choice | undefined {
    const held = this.#held;
    const now = this.#now();
    if (!held || now >= held.expiresAt) return undefined;
    const key = preferredKey(held, now, { requirePq: this.#config.requirePq });
    return key && { directory: held, key };
  }

  /** Go by this directory from here on. Rejects with LinkError, and nothing changed, for one that is worse. */
  async accept(signed: Uint8Array, { isFetched }: { isFetched: boolean }): Promise<void> {
    const { roots, link } = this.#config;
    const jitter = await uniform(this.#platform);
    for (;;) {
      const seen = this.seen;
      const now = this.#now();
      const verified = await verifyDirectory(this.#platform.crypto, signed, { roots, link, now, seen });
      if (seen !== this.seen) continue; // another was accepted meanwhile: it may be newer
      this.#held = verified.directory;
      this.#accepted = verified.accepted;
      this.#jitter = jitter;
      this.seen = verified.seen;
      this.signed = signed;
      this.#refreshAtMs = this.#nextRefresh(verified.directory, isFetched);
      return;
    }
  }

  /** Others have accepted more: what that overtakes is not gone by any more, even if they keep nothing to go by. */
  raise(seen: Seen): void {
    this.seen = seen;
    if (![...this.#accepted].some(([root, held]) => outranks(seen.get(root), held))) return;
    this.#held = undefined;
    this.#accepted = new Map();
    this.signed = undefined;
  }

  /** Whether a refresh is due; says so to one caller, and not again for a while. */
  takeTurn(): boolean {
    const now = this.#platform.now();
    if (now < this.#refreshAtMs) return false;
    this.#refreshAtMs = now + ASK_AGAIN_MS;
    return true;
  }

  /** Whether `unknown-key` may lead to a fetch now: at most once a minute (section 9). */
  mayAsk(): boolean {
    const now = this.#platform.monotonic();
    if (this.isPinned || now - this.#askedAtMs < ASK_AGAIN_MS) return false;
    this.#askedAtMs = now;
    return true;
  }

  /** A sealed response has told the serial now in force. */
  heard(serial: number): void {
    if (this.isPinned || serial <= Math.max(this.#held?.serial ?? 0, this.#wanted)) return;
    this.#wanted = serial;
    const soon = this.#platform.now() + SERIAL_JITTER_MS * this.#jitter;
    this.#refreshAtMs = Math.min(this.#refreshAtMs, soon);
  }

  #nextRefresh({ issuedAt, expiresAt, serial }: Directory, isFetched: boolean): number {
    const now = this.#platform.now();
    const fraction = HALF[0] + (HALF[1] - HALF[0]) * this.#jitter;
    let due = (issuedAt + (expiresAt - issuedAt) * fraction) * 1000;
    if (isFetched && due <= now) {
      due = now + Math.max(ASK_AGAIN_MS, (expiresAt * 1000 - now) * fraction); // half of what is left
    }
    return this.#wanted > serial ? Math.min(due, now + ASK_AGAIN_MS) : due;
  }

  #now(): number {
    return Math.floor(this.#platform.now() / 1000);
  }
}

/** Pinned gateway keys, as a directory that never changes. */
function unchanging({ pinned, path, link }: Config): Directory {
  return {
    serial: 0,
    issuedAt: 0,
    expiresAt: Infinity,
    keys: pinned.map((key) => ({ key, notBefore: 0, notAfter: Infinity })),
    path,
    streamPath: `${path}/stream`,
    maxRequestBytes: PINNED_MAX_REQUEST,
    links: [link],
  };
}

/** What the exchanges of one link share. */

import { equal } from "../bytes.js";
import { LinkError } from "../errors.js";
import type { PublicKey } from "../wire/keys.js";
import type { LinkSecret } from "../wire/secret.js";
import { Directories } from "./directories.js";
import { BINDING_LENGTH, Memory, merge } from "./memory.js";
import type { Remembered } from "./memory.js";
import type { Config } from "./options.js";
import type { Platform } from "./platform.js";
import { Secrets } from "./secret.js";
import type { Store } from "./store.js";

/** Asked for while it is under way, the work is shared. */
export class Shared {
  #running: Promise<void> | undefined;

  get running(): Promise<void> | undefined {
    return this.#running;
  }

  run(work: () => Promise<void>): Promise<void> {
    this.#running ??= work().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }
}

export class Session {
  readonly config: Config;
  readonly platform: Platform;
  readonly directories: Directories;
  /** From this clock to the gateway's, as learned. */
  offsetMs = 0;
  readonly #memory: Memory;
  readonly #secrets: Secrets;
  readonly #syncing = new Shared();
  #shipped: Uint8Array | undefined;
  #binding: Uint8Array | undefined;

  constructor(config: Config, platform: Platform, store: Store) {
    this.config = config;
    this.platform = platform;
    this.#shipped = config.shipped;
    this.directories = new Directories(config, platform);
    this.#memory = new Memory(platform, store, config.link, config.warn);
    this.#secrets = new Secrets(platform);
  }

  /** Undefined for a moment, while it is being forgotten. */
  get cookieBinding(): Uint8Array | undefined {
    return this.config.binding ?? this.#binding;
  }

  /** Take up what other pages of the origin have changed, and what is kept from before. */
  sync(): Promise<void> {
    return this.#syncing.run(async () => {
      if (this.#shipped) await this.#use(this.#shipped, "shipped");
      this.#shipped = undefined;
      const changed = await this.#memory.changed();
      if (changed) await this.#adopt(changed);
      if (this.cookieBinding) return;
      const binding = await this.platform.crypto.random(BINDING_LENGTH);
      await this.#adopt(await this.#memory.add({ ...this.#state(), binding })); // another page may have been quicker
    });
  }

  /** A directory was accepted: it is not to be forgotten. */
  async save(): Promise<void> {
    await this.#adopt(await this.#memory.add(this.#state()));
  }

  /** At logout: neither the cookie binding nor anything else of the link stays stored. Rejects when it does. */
  async forget(): Promise<void> {
    await this.#syncing.running?.catch(() => undefined);
    this.#unbind();
    await this.#memory.forget();
  }

  /** Rejects with LinkError("directory") for a key that is none. */
  async secret(key: PublicKey): Promise<LinkSecret> {
    try {
      return await this.#secrets.take(key);
    } catch (cause) {
      throw new LinkError("directory", "its key can't be used", { cause });
    }
  }

  /**
   * Correct the offset. What the answer took on its way makes requests look older, never newer: the gateway bears
   * 120 s of that, and only 30 s of the other.
   */
  learnTime(gatewayTimeMs: number): void {
    if (gatewayTimeMs > 0) this.offsetMs = gatewayTimeMs - this.platform.now();
  }

  #state(): Remembered {
    return { signed: this.directories.signed, seen: this.directories.seen };
  }

  async #adopt(remembered: Remembered): Promise<void> {
    const { signed, seen, binding } = merge(this.#state(), remembered);
    this.directories.raise(seen);
    const held = this.directories.signed;
    if (signed && !(held && equal(signed, held)) && !this.directories.isPinned) {
      await this.#use(signed, "stored");
    }
    const isSame = this.#binding && binding && equal(this.#binding, binding);
    if (!isSame) this.#unbind(); // another page has forgotten
    this.#binding = binding;
  }

  /** A page that goes on after a logout is another client. */
  #unbind(): void {
    this.#binding = undefined;
    this.#secrets.forget();
  }

  async #use(signed: Uint8Array, which: "shipped" | "stored"): Promise<void> {
    try {
      await this.directories.accept(signed, { isFetched: false });
    } catch (error) {
      if (error instanceof LinkError && error.code === "directory-expired") return; // as they do
      this.config.warn(`the ${which} directory of ${this.config.link} is not used: ${String(error)}`);
    }
  }
}

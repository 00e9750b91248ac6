/** A double of a device: its clocks move by hand, or by short sleeps, and jitter is always in the middle. */

import type { Crypto } from "../../src/crypto/seam.js";
import { webCrypto } from "../../src/crypto/webcrypto.js";
import type { Carrier } from "../../src/link/carrier.js";
import type { Platform } from "../../src/link/platform.js";
import type { Store } from "../../src/link/store.js";

export const START_MS = 1_790_000_000_000;
const SHORT_MS = 1500; // jitter, and the second or so before a repeat; anything longer waits for a hand

interface Timer {
  readonly at: number;
  readonly run: () => void;
}

export class Clock {
  ms = START_MS;
  ticks = 1_000_000;
  readonly slept: number[] = [];
  /** Told when a short sleep begins. */
  onSleep: () => void = () => undefined;
  readonly #timers = new Set<Timer>();

  get now(): number {
    return Math.floor(this.ms / 1000);
  }

  /** Both clocks go on, and what is due runs. */
  advance(milliseconds: number): void {
    this.ms += milliseconds;
    this.ticks += milliseconds;
    for (const timer of this.#timers) {
      if (timer.at > this.ticks) continue;
      this.#timers.delete(timer);
      timer.run();
    }
  }

  /** How many timers wait. */
  get waiting(): number {
    return this.#timers.size;
  }

  platform(carrier: Carrier, store: Store, name: Platform["name"] = "browser"): Platform {
    return {
      ...{ name, carrier, store, crypto: evenCrypto() },
      now: () => this.ms,
      monotonic: () => this.ticks,
      timer: (milliseconds, run) =>
        milliseconds <= SHORT_MS ? this.#sleep(milliseconds, run) : this.#set(milliseconds, run),
    };
  }

  #sleep(milliseconds: number, run: () => void): () => void {
    this.onSleep();
    const immediate = setImmediate(() => {
      this.slept.push(milliseconds);
      this.advance(milliseconds);
      run();
    });
    return () => {
      clearImmediate(immediate);
    };
  }

  #set(milliseconds: number, run: () => void): () => void {
    const timer = { at: this.ticks + milliseconds, run };
    this.#timers.add(timer);
    return () => {
      this.#timers.delete(timer);
    };
  }
}

/** WebCrypto, but for the two bytes that jitter is made of. */
function evenCrypto(): Crypto {
  const real = webCrypto();
  return {
    ...real,
    random: (length) => (length === 2 ? Promise.resolve(Uint8Array.of(0x80, 0)) : real.random(length)),
  };
}

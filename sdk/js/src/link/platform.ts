/** What the link asks of the world. */

import type { Crypto } from "../crypto/seam.js";
import type { Carrier } from "./carrier.js";
import type { Store } from "./store.js";

export interface Platform {
  name: "browser" | "wechat" | "node";
  crypto: Crypto;
  carrier: Carrier;
  store: Store;
  /** Unix time in milliseconds, by the wall clock. */
  now(): number;
  /** Milliseconds, by a clock that does not jump. */
  monotonic(): number;
  /** Runs `run` after so many milliseconds, unless the function that it gives back is called before. */
  timer(milliseconds: number, run: () => void): () => void;
}

const LONGEST_MS = 2 ** 31 - 1; // setTimeout takes what is longer for nothing

/** `Platform.timer`, by setTimeout. */
export function timer(milliseconds: number, run: () => void): () => void {
  const started = setTimeout(run, Math.min(milliseconds, LONGEST_MS));
  return () => {
    clearTimeout(started);
  };
}

/** A point in time, by both clocks of a platform. */
export interface Moment {
  readonly wallMs: number;
  readonly ticksMs: number;
}

export function moment(platform: Platform): Moment {
  return { wallMs: platform.now(), ticksMs: platform.monotonic() };
}

/**
 * Milliseconds, by the clock that says more: one can be set back, and the other may have stood still while the
 * device slept. What holds only for so long has ended as soon as either says so.
 */
export function since(platform: Platform, then: Moment): number {
  return Math.max(platform.monotonic() - then.ticksMs, platform.now() - then.wallMs);
}

export function sleep(platform: Platform, milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    platform.timer(milliseconds, resolve);
  });
}

/** What `promise` gives, unless it takes longer. */
export function within<T>(platform: Platform, milliseconds: number, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const disarm = platform.timer(milliseconds, () => {
      reject(new Error(`no answer within ${milliseconds} ms`));
    });
    promise.then(resolve, reject).finally(disarm);
  });
}

/** A number from 0 to 1, for jitter. */
export async function uniform(platform: Platform): Promise<number> {
  const [high = 0, low = 0] = await platform.crypto.random(2);
  return (high * 256 + low) / 0xffff;
}

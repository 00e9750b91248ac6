/** How a check says what differs, in runtimes without `node:assert`. */

import { hex } from "../../src/bytes.js";
import type { Crypto } from "../../src/crypto/seam.js";
import type { Json } from "./reading.js";

/** Resolves to "not ours" for a vector that is the gateway's alone; rejects when one is not met. */
export type Check = (vector: Json, crypto: Crypto) => Promise<"not ours" | undefined>;

export function isValid(vector: Json): boolean {
  return vector.get("result").text === "valid";
}

export function same(found: unknown, expected: unknown, what: string): void {
  const [one, other] = [found, expected].map((value) => (value instanceof Uint8Array ? hex(value) : value));
  if (one !== other) throw new Error(`${what}: ${String(one)}, and not ${String(other)}`);
}

/** What `attempt` fails with. */
export async function failureOf(attempt: () => unknown): Promise<Error> {
  try {
    await attempt();
  } catch (error) {
    if (error instanceof Error) return error;
    throw new Error(`thrown, and no Error: ${String(error)}`, { cause: error });
  }
  throw new Error("not refused");
}

/** That `attempt` is refused with a LinkError of this code. */
export async function refused(code: string, attempt: () => unknown): Promise<void> {
  const error = await failureOf(attempt);
  same("code" in error ? error.code : `a ${error.name}: ${error.message}`, code, "refused by");
}

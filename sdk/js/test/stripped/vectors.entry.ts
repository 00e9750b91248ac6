/** The vectors, to be bundled for a runtime that has nothing: text in, text out. */

import { nobleCrypto } from "../../src/crypto/noble.js";
import { runVectors } from "../vectors/run.js";

/**
 * `topics`: name and text of each file; `draw`: random bytes. Resolves to the topics of which some ran, and to what
 * has failed.
 */
export async function run(
  topics: Iterable<readonly [name: string, text: string]>,
  draw: (length: number) => Iterable<number>,
): Promise<{ ran: string; failures: string }> {
  const crypto = nobleCrypto((length) => Promise.resolve(Uint8Array.from(draw(length))));
  const documents = Array.from(topics, ([name, text]): [string, unknown] => [name, JSON.parse(text)]);
  const { ran, failures } = await runVectors(crypto, Object.fromEntries(documents));
  const some = Object.keys(ran).filter((topic) => (ran[topic] ?? 0) > 0);
  return { ran: some.join(), failures: failures.join("\n") };
}

/**
 * The vectors of tests/vectors/ that are a client's to run, in whatever runtime: no imports of Node's.
 *
 *     const { ran, failures } = await runVectors(webCrypto(), { "key-ids": JSON.parse(...), ... });
 */

import type { Crypto } from "../../src/crypto/seam.js";
import { answers, errors, mediaTypes } from "./topics/answers.js";
import type { Check } from "./expect.js";
import { directory } from "./topics/directory.js";
import { keyIds, linkKey, rootKeys } from "./topics/keys.js";
import { messageKeys, padding, segments, whole } from "./topics/messages.js";
import { streamed } from "./topics/streamed.js";
import { innerValidation } from "./topics/validation.js";
import { Json } from "./reading.js";

const CHECKS: Readonly<Record<string, Check>> = {
  "key-ids": keyIds,
  "root-keys": rootKeys,
  "link-key": linkKey,
  "message-keys": messageKeys,
  segments,
  "media-types": mediaTypes,
  whole,
  streamed,
  "inner-validation": innerValidation,
  errors,
  answers,
  directory,
  padding,
};

/** What a client runs of tests/vectors/. */
export const TOPICS: readonly string[] = Object.keys(CHECKS);

export interface Report {
  /** How many vectors each topic has that are a client's. */
  ran: Record<string, number>;
  /** What differs, each with topic and id. */
  failures: string[];
}

/** `topics`: the parsed files, by name without `.json`. */
export async function runVectors(crypto: Crypto, topics: Readonly<Record<string, unknown>>): Promise<Report> {
  const report: Report = { ran: {}, failures: [] };
  for (const [topic, document] of Object.entries(topics)) {
    const check = CHECKS[topic];
    if (check === undefined) throw new Error(`${topic} is no topic of a client's`);
    report.ran[topic] = 0;
    for (const vector of new Json(document, topic).get("vectors").list) {
      const outcome = await outcomeOf(check, vector, crypto);
      if (outcome !== "not ours") report.ran[topic] += 1;
      if (outcome instanceof Error)
        report.failures.push(`${topic}/${vector.get("id").text}: ${outcome.message}`);
    }
  }
  return report;
}

async function outcomeOf(check: Check, vector: Json, crypto: Crypto): Promise<"ran" | "not ours" | Error> {
  try {
    return (await check(vector, crypto)) ?? "ran";
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

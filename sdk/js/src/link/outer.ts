/**
 * The outer exchange (protocol, section 10): what goes over the wire, and what comes back.
 *
 * Whatever stands outside the seal is hearsay: it can end an exchange, and never says what became of it.
 */

import { Gathering, fromUtf8 } from "../bytes.js";
import type { Bytes } from "../bytes.js";
import { LinkError, PROBLEMS } from "../errors.js";
import type { LinkErrorCode } from "../errors.js";
import { MEDIA_KEYS, mediaForm, mediaType } from "../wire/media.js";
import type { Form } from "../wire/segments.js";
import type { OuterAnswer } from "./carrier.js";

export const MAX_RESPONSE = 64 * 2 ** 20;
const MAX_DIRECTORY = 256 * 2 ** 10;
const MAX_PROBLEM = 4096;
const PROBLEM_TYPE = "application/problem+json";
const PROBLEM_PREFIX = "urn:privatelink:problem:";

/** All of the body, or enough to see that it is longer than `limit`. */
export async function read(pieces: AsyncIterable<Uint8Array>, limit: number): Promise<Bytes> {
  const whole = new Gathering();
  for await (const piece of pieces) {
    whole.add(piece);
    if (whole.length > limit) break;
  }
  return whole.bytes;
}

/** A SignedKeyDirectory, not verified. Throws LinkError: nothing of the caller's has been sent. */
export async function signedDirectory(answer: OuterAnswer): Promise<Bytes> {
  if (answer.status !== 200 || typeOf(answer) !== MEDIA_KEYS) {
    answer.cancel();
    throw new LinkError(strangerCode(answer), `asked for the key directory, ${described(answer)}`);
  }
  const signed = await read(answer.body, MAX_DIRECTORY);
  if (signed.length > MAX_DIRECTORY) {
    answer.cancel();
    throw new LinkError("directory", `longer than ${MAX_DIRECTORY} bytes`);
  }
  return signed;
}

/** The form of a sealed answer. Rejects with LinkError, outcome unknown, for one that is not sealed. */
export async function sealedForm(answer: OuterAnswer): Promise<Form> {
  const form = answer.status === 200 ? mediaForm(answer.header("content-type")) : undefined;
  if (form === undefined) throw await unsealed(answer);
  return form;
}

/** What to make of an answer that is not sealed: a problem that it claims (section 9), or nothing. */
async function unsealed(answer: OuterAnswer): Promise<LinkError> {
  const details = { outcomeUnknown: true };
  const problem = await claimedProblem(answer);
  answer.cancel();
  if (problem !== undefined) return new LinkError(problem, "refused outside the seal", details);
  return new LinkError(strangerCode(answer), `${described(answer)}, outside the seal`, details);
}

/** An error of the gateway or of what stands before it; or a success of somebody else, a captive portal say. */
function strangerCode(answer: OuterAnswer): LinkErrorCode {
  return answer.status >= 200 && answer.status < 300 ? "not-sealed" : "gateway";
}

async function claimedProblem(answer: OuterAnswer): Promise<LinkErrorCode | undefined> {
  if (typeOf(answer) !== PROBLEM_TYPE) return undefined;
  const body = await read(answer.body, MAX_PROBLEM);
  const type = body.length > MAX_PROBLEM ? undefined : claimOf(body);
  return PROBLEMS.find((code) => type === PROBLEM_PREFIX + code);
}

function claimOf(body: Uint8Array): unknown {
  try {
    const document: unknown = JSON.parse(fromUtf8(body));
    return typeof document === "object" && document !== null && "type" in document
      ? document.type
      : undefined;
  } catch {
    return undefined;
  }
}

function described(answer: OuterAnswer): string {
  return `answered ${answer.status}, with ${typeOf(answer) || "no content type"}`;
}

function typeOf(answer: OuterAnswer): string {
  return mediaType(answer.header("content-type"));
}

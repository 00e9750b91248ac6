/**
 * What a sealed refusal says of the envelope, and what it does not (protocol, sections 8 and 9).
 *
 * Who sits on the way has every envelope, and can send it twice, or later: a refusal holds for the moment alone,
 * unless no other answer was possible before and none is after (decision 0016).
 */

import { FAULTS, LinkError } from "../errors.js";
import type { Fault } from "../errors.js";
import type { InnerResponse } from "../wire/inner.js";
import type { Stamp } from "./errand.js";
import { since } from "./platform.js";
import type { Session } from "./session.js";

const MAY_HAVE_RUN: readonly Fault[] = ["replayed", "response-too-large", "unavailable"];
const FRESH_MS = 120_000;
const CLOCKS_APART_MS = 5000; // those of two gateways of one link

/** Learns what it says of the time. Throws LinkError for a refusal, and for what is no answer. */
export function checkAnswer(session: Session, stamp: Stamp, inner: InnerResponse): void {
  if (inner.fault !== "") throw refusal(session, stamp, inner);
  if (inner.status >= 200 && inner.status <= 599) return;
  throw new LinkError("bad-response", `inner status ${inner.status}`, { outcomeUnknown: true });
}

function refusal(session: Session, stamp: Stamp, { fault, gatewayTimeMs }: InnerResponse): LinkError {
  const code = FAULTS.find((each) => each === fault);
  if (code === undefined) {
    const reason = `a fault that this client does not know: ${JSON.stringify(fault)}`;
    return new LinkError("bad-response", reason, { fault, outcomeUnknown: true });
  }
  const isSkew = code === "clock-skew";
  if (isSkew) session.learnTime(gatewayTimeMs);
  const outcomeUnknown = isSkew ? !wasStale(session, stamp, gatewayTimeMs) : MAY_HAVE_RUN.includes(code);
  return new LinkError(code, "refused by the gateway", { fault, outcomeUnknown });
}

/** Whether the envelope was too old when it first can have arrived: it has not run, and never will. */
function wasStale({ platform }: Session, { at, sentAtMs }: Stamp, gatewayTimeMs: number): boolean {
  const arrivedMs = gatewayTimeMs - since(platform, at);
  return arrivedMs > sentAtMs + FRESH_MS + CLOCKS_APART_MS;
}

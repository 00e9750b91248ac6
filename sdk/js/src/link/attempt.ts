/** One sealing of an errand: sealed, sent, opened; of a stream, as far as its head. */

import { LinkError } from "../errors.js";
import type { InnerResponse } from "../wire/inner.js";
import { Lifeline, unlessAborted } from "./abort.js";
import type { InnerAnswer } from "./call.js";
import type { OuterAnswer } from "./carrier.js";
import type { Errand } from "./errand.js";
import { checkAnswer } from "./faults.js";
import { Inflow } from "./inflow.js";
import { MAX_RESPONSE, read, sealedForm } from "./outer.js";
import { seal } from "./sealing.js";
import type { Sealed } from "./sealing.js";
import { send } from "./sending.js";
import type { Session } from "./session.js";
import { outerRequest } from "./uplink.js";

/** An opened answer: of a stream, the rest is in `inflow`. */
interface Opened {
  readonly inner: InnerResponse;
  readonly inflow?: Inflow;
}

/** Rejects with LinkError, or with what the caller has aborted it for, or with what his body has thrown. */
export async function attempt(session: Session, errand: Errand): Promise<InnerAnswer> {
  const { call, trace } = errand;
  const { platform, config } = session;
  const sealed = await trace.time("seal", () => seal(session, errand));
  trace.event.requestForm = sealed.form;
  trace.event.keyId = sealed.keyId;
  const lifeline = new Lifeline(platform, call.timeoutMs ?? config.timeoutMs, call.signal);
  try {
    const answer = await trace.time("wait", async () => {
      const outer = await unlessAborted(lifeline.signal, outerRequest(session, errand, sealed, lifeline));
      return send(platform.carrier, outer, lifeline);
    });
    return await received(session, errand, sealed, answer, lifeline);
  } catch (error) {
    lifeline.cut(error);
    const failure = sealed.body instanceof Uint8Array ? undefined : sealed.body.failure;
    throw failure && error instanceof LinkError && error.code === "network" ? failure.error : error;
  }
}

async function received(
  session: Session,
  errand: Errand,
  sealed: Sealed,
  answer: OuterAnswer,
  lifeline: Lifeline,
): Promise<InnerAnswer> {
  const id = answer.header("x-request-id");
  if (id !== undefined) errand.trace.event.requestId = id;
  try {
    const opened = await errand.trace.time("wait", () => open(errand, sealed, answer, lifeline));
    session.directories.heard(opened.inner.directorySerial);
    checkAnswer(session, errand.stamp, opened.inner);
    if (!opened.inflow) lifeline.end();
    return innerAnswer(session, errand, sealed, opened);
  } catch (error) {
    if (error instanceof LinkError) error.requestId ??= id;
    throw error;
  }
}

async function open(
  { trace }: Errand,
  { opener }: Sealed,
  answer: OuterAnswer,
  lifeline: Lifeline,
): Promise<Opened> {
  const form = await sealedForm(answer);
  trace.event.answerForm = form;
  if (form === "streamed") {
    const inflow = new Inflow(answer, opener.stream(), lifeline, trace);
    return { inner: await inflow.open(), inflow };
  }
  const body = await read(answer.body, MAX_RESPONSE);
  trace.event.sizes.received += body.length;
  if (body.length > MAX_RESPONSE) {
    throw new LinkError("bad-response", `longer than ${MAX_RESPONSE} bytes`, { outcomeUnknown: true });
  }
  const inner = await trace.time("open", () => opener.open(body));
  trace.event.sizes.body += inner.body.length;
  return { inner };
}

function innerAnswer(
  session: Session,
  errand: Errand,
  sealed: Sealed,
  { inner, inflow }: Opened,
): InnerAnswer {
  const { event } = errand.trace;
  const { requestId } = event;
  event.status = inner.status;
  if (inflow) inflow.handOver();
  else errand.trace.end({ outcome: "answered" });
  return {
    status: inner.status,
    headers: inner.headers,
    body: inflow ?? once(inner.body),
    trailers: inflow?.trailers ?? Promise.resolve(inner.trailers),
    facts: {
      keyId: sealed.keyId,
      ...(requestId === undefined ? {} : { requestId }),
      repeated: errand.isRepeat,
      elapsedMs: session.platform.monotonic() - errand.stamp.at.ticksMs,
    },
  };
}

async function* once(body: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  if (body.length > 0) yield await Promise.resolve(body);
}

/**
 * A caller's request, and the form in which it leaves (protocol, section 6): whole, when the body is in hand or of
 * a declared length, and small enough when it is sealed; else streamed, if the gateway takes that.
 */

import { LinkError } from "../errors.js";
import type { Directory } from "../wire/directory.js";
import type { InnerRequest } from "../wire/inner.js";
import { validateRequest } from "../wire/validation.js";
import type { InnerCall } from "./call.js";
import type { Choice } from "./directories.js";
import type { Trace } from "./events.js";
import { read } from "./outer.js";
import { moment } from "./platform.js";
import type { Moment } from "./platform.js";
import type { Session } from "./session.js";

const EXCHANGE_ID_LENGTH = 16;
const SAFE_METHODS = ["GET", "HEAD", "OPTIONS"];

/** On its way through one or two sealings. */
export interface Errand {
  readonly call: InnerCall;
  readonly trace: Trace;
  readonly inner: Omit<InnerRequest, "sentAtMs" | "body">;
  /** In hand; else still to come, and spent when it has. */
  readonly body: Uint8Array | AsyncIterable<Uint8Array>;
  readonly startedAt: Moment;
  readonly choice: Choice;
  readonly stamp: Stamp;
  readonly isRepeat: boolean;
}

/** When it is sealed, said just before it is. */
export interface Stamp {
  readonly at: Moment;
  readonly sentAtMs: number;
  /** The clock's offset then. */
  readonly offsetMs: number;
}

/** Reads the body, unless that is to be streamed. Rejects with LinkError: nothing of it was sent. */
export async function prepare(
  session: Session,
  call: InnerCall,
  choice: Choice,
  trace: Trace,
): Promise<Errand> {
  const { platform } = session;
  const body = await bodyOf(call, choice.directory);
  const exchangeId = await platform.crypto.random(EXCHANGE_ID_LENGTH);
  const inner = innerOf(session, call, exchangeId);
  const rules = { linkPath: choice.directory.path, allowEncodedSlash: true };
  if (isInHand(body)) validateRequest({ ...inner, body, sentAtMs: 0 }, rules);
  else validateRequest({ ...inner, sentAtMs: 0 }, { ...rules, streamed: true });
  const stamp = stamped(session);
  return { call, trace, inner, body, startedAt: stamp.at, choice, stamp, isRepeat: false };
}

export function stamped({ platform, offsetMs }: Session): Stamp {
  const at = moment(platform);
  return { at, sentAtMs: Math.round(at.wallMs + offsetMs), offsetMs };
}

export function isInHand(body: Errand["body"]): body is Uint8Array {
  return body instanceof Uint8Array;
}

export function isSafe({ call }: Errand): boolean {
  return SAFE_METHODS.includes(call.method);
}

function innerOf(session: Session, call: InnerCall, exchangeId: Uint8Array): Errand["inner"] {
  const { method, scheme, authority, path, headers, credentials } = call;
  return {
    ...{ method, scheme, authority, path, headers, exchangeId },
    acceptStream: true,
    cookieBinding: credentials === "include" ? session.cookieBinding : undefined,
    client: session.config.client,
  };
}

async function bodyOf(call: InnerCall, directory: Directory): Promise<Errand["body"]> {
  const { body, length } = call;
  if (body === null) return new Uint8Array();
  const most = directory.maxRequestBytes;
  const isShort = length !== undefined && length <= most;
  if (isInHand(body) || (directory.streamPath !== "" && !isShort)) return body;
  const whole = await read(body, most);
  if (whole.length > most) throw tooLarge(directory);
  if (length === undefined || length === whole.length) return whole;
  throw new LinkError("bad-request", `the body is ${whole.length} bytes long, and not ${length} as declared`);
}

export function tooLarge({ maxRequestBytes }: Directory): LinkError {
  return new LinkError("too-large", `the gateway takes ${maxRequestBytes} bytes, sealed`);
}

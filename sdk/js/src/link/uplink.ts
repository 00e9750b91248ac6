/** The outer request of a sealed errand, as it leaves. */

import { throwIfAborted } from "./abort.js";
import type { Lifeline } from "./abort.js";
import type { AbortSignalLike, OuterRequest } from "./carrier.js";
import type { Errand } from "./errand.js";
import { unharmed } from "./options.js";
import type { Config } from "./options.js";
import { read } from "./outer.js";
import type { Outflow } from "./outflow.js";
import type { Sealed } from "./sealing.js";
import type { Session } from "./session.js";

const MS_PER_BYTE = 60_000 / 2 ** 20; // the gateway's own patience with a body: a minute for each MiB

/** Tells the errand's event, the caller's progress and the lifeline what leaves. */
export async function outerRequest(
  { platform, config }: Session,
  errand: Errand,
  sealed: Sealed,
  lifeline: Lifeline,
): Promise<OuterRequest> {
  const { call } = errand;
  const isWhole = sealed.form === "whole";
  const isStream = !isWhole && platform.carrier.streamsRequests;
  const body = bodyOf(errand, sealed, lifeline);
  return {
    method: "POST",
    url: config.link + sealed.path,
    headers: { "content-type": sealed.contentType },
    body: body instanceof Uint8Array || isStream ? body : await read(body, Infinity),
    credentials: call.credentials,
    ...(isWhole && call.keepalive ? { keepalive: true } : {}),
    // Where it is given, a browser sends what it can't stream in another way, which is dearer.
    ...(call.onProgress || isStream ? { onProgress: progress(errand, sealed, lifeline, config) } : {}),
  };
}

function bodyOf(
  { trace }: Errand,
  { body }: Sealed,
  lifeline: Lifeline,
): Uint8Array | AsyncIterable<Uint8Array> {
  let length = 0;
  const leaves = (piece: Uint8Array): void => {
    length += piece.length;
    trace.event.sizes.sent += piece.length;
    lifeline.touch(length * MS_PER_BYTE); // the platform may gather all of it before any leaves
  };
  if (!(body instanceof Uint8Array)) return told(watched(body, lifeline), leaves, lifeline.signal);
  leaves(body);
  return body;
}

/** Silence is not the gateway's while the caller's body has yet to come. */
function watched(outflow: Outflow, lifeline: Lifeline): Outflow {
  outflow.asking = () => {
    lifeline.pause();
  };
  outflow.asked = () => {
    lifeline.touch();
  };
  return outflow;
}

async function* told(
  pieces: AsyncIterable<Uint8Array>,
  leaves: (piece: Uint8Array) => void,
  signal: AbortSignalLike,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const piece of pieces) {
    throwIfAborted(signal); // a carrier that gathers it all would go on
    leaves(piece);
    yield piece;
  }
}

/** What has left of the outer body, as bytes of the caller's. */
function progress(
  { call, body }: Errand,
  sealed: Sealed,
  lifeline: Lifeline,
  { warn }: Config,
): (sent: number, total?: number) => void {
  const inHand = body instanceof Uint8Array ? body.length : undefined;
  const tell = unharmed("onProgress", call.onProgress?.bind(call), warn);
  return (sent, total) => {
    lifeline.touch();
    const taken = sealed.body instanceof Uint8Array ? (inHand ?? 0) : sealed.body.taken;
    const ours = total ? Math.round((taken * sent) / total) : taken;
    tell(ours, call.length ?? inHand);
  };
}

/** A request's sealing: what goes over the wire for an errand, under a fresh nonce. */

import { hex } from "../bytes.js";
import { LinkError } from "../errors.js";
import { sealRequest, sealStream } from "../wire/envelope.js";
import type { ResponseOpener, Sealing } from "../wire/envelope.js";
import { MEDIA_STREAM, MEDIA_WHOLE } from "../wire/media.js";
import type { InnerRequest } from "../wire/inner.js";
import { NONCE_LENGTH } from "../wire/segments.js";
import type { Form } from "../wire/segments.js";
import type { LinkSecret } from "../wire/secret.js";
import { isInHand, tooLarge } from "./errand.js";
import type { Errand } from "./errand.js";
import { Outflow } from "./outflow.js";
import type { Session } from "./session.js";

export interface Sealed {
  /** In hexadecimal. */
  readonly keyId: string;
  readonly form: Form;
  readonly path: string;
  readonly contentType: string;
  readonly body: Uint8Array | Outflow;
  readonly opener: ResponseOpener;
}

/** Rejects with LinkError: not sent. */
export async function seal(session: Session, errand: Errand): Promise<Sealed> {
  const { body, choice } = errand;
  const { path, streamPath, maxRequestBytes } = choice.directory;
  const secret = await session.secret(choice.key);
  const keyId = hex(secret.keyId);
  const inner = { ...errand.inner, sentAtMs: errand.stamp.sentAtMs };
  if (isInHand(body) && body.length <= maxRequestBytes) {
    const whole = await sealRequest(secret, { ...inner, body }, await sealing(session));
    if (whole.body.length <= maxRequestBytes) {
      return { keyId, form: "whole", path, contentType: MEDIA_WHOLE, ...whole };
    }
  }
  if (streamPath === "") throw tooLarge(choice.directory);
  const { opener, ...stream } = await streamOf(secret, inner, await sealing(session));
  const outflow = new Outflow(stream, body, errand.call.length);
  return { keyId, form: "streamed", path: streamPath, contentType: MEDIA_STREAM, body: outflow, opener };
}

async function sealing({ platform, config }: Session): Promise<Sealing> {
  return { nonce: await platform.crypto.random(NONCE_LENGTH), padding: config.padding };
}

async function streamOf(
  secret: LinkSecret,
  inner: InnerRequest,
  how: Sealing,
): Promise<Awaited<ReturnType<typeof sealStream>>> {
  try {
    return await sealStream(secret, inner, how);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new LinkError("too-large", `all but the body: ${cause.message}`, { cause });
  }
}

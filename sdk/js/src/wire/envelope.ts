/** The envelope (protocol, section 6): sealing requests and opening their responses, each whole or as a stream. */

import type { Bytes } from "../bytes.js";
import * as pb from "./gen/privatelink.js";
import { malformed, parse, parseResponse, serializeRequest } from "./messages.js";
import type { InnerRequest, InnerResponse } from "./inner.js";
import { pad } from "./padding.js";
import type { Padding } from "./padding.js";
import type { LinkSecret } from "./secret.js";
import { NONCE_LENGTH, requestCipher, responseCipher } from "./segments.js";
import type { Form, LinkKey, SegmentCipher } from "./segments.js";
import { StreamReader, StreamWriter } from "./streams.js";

/** `nonce`: 16 random bytes, of this message alone. */
export interface Sealing {
  nonce: Uint8Array;
  padding?: Padding | undefined;
}

/** Opens the response to one sealed request, in the form that its content type names. */
export class ResponseOpener {
  readonly #linkKey: LinkKey;
  readonly #requestNonce: Uint8Array;

  constructor(linkKey: LinkKey, requestNonce: Uint8Array) {
    this.#linkKey = linkKey;
    this.#requestNonce = requestNonce;
  }

  /** A whole response. Rejects with LinkError("bad-response") for anything that does not parse or open. */
  async open(body: Uint8Array): Promise<InnerResponse> {
    const sealed = parseSealed(body);
    const cipher = await this.#cipher("whole", sealed);
    return parseResponse(await cipher.open(0, sealed.ciphertext, true));
  }

  /** Opens a streamed response as its bytes come. */
  stream(): StreamReader {
    return new StreamReader((preamble) => {
      const sealed = parseSealed(preamble);
      if (sealed.ciphertext.length > 0) throw malformed("ciphertext in the preamble");
      return this.#cipher("streamed", sealed);
    });
  }

  #cipher(form: Form, sealed: pb.SealedResponse): Promise<SegmentCipher> {
    return responseCipher(this.#linkKey, form, this.#requestNonce, sealed.nonce);
  }
}

export interface SealedWhole {
  /** The outer body. */
  body: Bytes;
  opener: ResponseOpener;
}

export interface SealedStream {
  /** The start of the outer body: preamble and segment 0. */
  head: Bytes;
  /** Of its rest. */
  writer: StreamWriter;
  opener: ResponseOpener;
}

export async function sealRequest(
  secret: LinkSecret,
  inner: InnerRequest,
  { nonce, padding = "none" }: Sealing,
): Promise<SealedWhole> {
  const plaintext = pad(serializeRequest(inner), padding);
  const cipher = await requestCipher(secret.linkKey, "whole", nonce);
  const body = serializeSealed(secret, nonce, await cipher.seal(0, plaintext, true));
  return { body, opener: new ResponseOpener(secret.linkKey, nonce) };
}

/** `inner` goes without its body. Rejects with RangeError when it does not fit into a segment. */
export async function sealStream(
  secret: LinkSecret,
  inner: InnerRequest,
  { nonce, padding = "none" }: Sealing,
): Promise<SealedStream> {
  const writer = new StreamWriter(await requestCipher(secret.linkKey, "streamed", nonce), padding);
  const serialized = serializeRequest({ ...inner, body: undefined });
  const head = await writer.head(serializeSealed(secret, nonce), serialized);
  return { head, writer, opener: new ResponseOpener(secret.linkKey, nonce) };
}

function serializeSealed(secret: LinkSecret, nonce: Uint8Array, ciphertext = new Uint8Array()): Bytes {
  const { keyId, encapsulation } = secret;
  return pb.SealedRequest.encode({ keyId, encapsulation, nonce, ciphertext }).finish();
}

function parseSealed(serialized: Uint8Array): pb.SealedResponse {
  const sealed = parse(pb.SealedResponse, serialized);
  if (sealed.nonce.length !== NONCE_LENGTH) throw malformed("a nonce of the wrong length");
  return sealed;
}

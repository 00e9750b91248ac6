/** Inner messages to Protocol Buffers and back. */

import { BinaryReader, WireType, configureTextEncoding } from "@bufbuild/protobuf/wire";

import { fromUtf8, isWellFormed, utf8 } from "../bytes.js";
import type { Bytes } from "../bytes.js";
import { LinkError } from "../errors.js";
import { toFields, toHeaders } from "./fields.js";
import * as pb from "./gen/privatelink.js";
import type { Chunk, ClientInfo, Field, InnerRequest, InnerResponse } from "./inner.js";

// Of this copy of the runtime alone. What it recommends now, globals for all of the page, is not a library's to set.
// eslint-disable-next-line @typescript-eslint/no-deprecated
configureTextEncoding({ encodeUtf8: utf8, decodeUtf8: fromUtf8, checkUtf8: isWellFormed });

const NOTHING = new Uint8Array();

/** A message as a peer has sent it. Throws what `refuse` makes of one that is none. */
export function parse<M>(
  codec: pb.MessageFns<M>,
  serialized: Uint8Array,
  refuse: (reason: string, cause: unknown) => LinkError = malformed,
): M {
  try {
    checkFields(serialized, NESTED.get(codec));
    return codec.decode(serialized);
  } catch (cause) {
    throw refuse("not the message that it should be", cause);
  }
}

/** Fields of messages that are messages, without messages in them. */
const NESTED = new Map<pb.MessageFns<unknown>, readonly number[]>([
  [pb.InnerResponse, [2, 4]],
  [pb.InnerChunk, [2]],
  [pb.KeyDirectory, [4]],
  [pb.SignedKeyDirectory, [2]],
]);

/**
 * To its end: the generated code stops at a tag of 0, or at the end of a group that has not begun, and goes on over
 * the end of a message in a message.
 */
function checkFields(serialized: Uint8Array, nested: readonly number[] = []): void {
  const reader = new BinaryReader(serialized);
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    if (type === WireType.EndGroup) throw new Error("the end of a group");
    if (type === WireType.LengthDelimited && nested.includes(number)) checkFields(reader.bytes());
    else reader.skip(type, number);
  }
}

/** What is sealed, and not as it must be. */
export function malformed(reason: string, cause?: unknown): LinkError {
  return new LinkError("bad-response", reason, { outcomeUnknown: true, cause });
}

export function serializeRequest(inner: InnerRequest): Bytes {
  const { headers, body, acceptStream, cookieBinding, client, ...line } = inner;
  const message: pb.InnerRequest = {
    ...line,
    headers: toHeaders(headers),
    body: body ?? NOTHING,
    acceptStream: acceptStream ?? false,
    cookieBinding: cookieBinding ?? NOTHING,
    client: client && clientInfo(client),
    padding: NOTHING,
  };
  return pb.InnerRequest.encode(message).finish();
}

function clientInfo({ sdk, platform, app = "", installId = "", tags = {} }: ClientInfo): pb.ClientInfo {
  return { sdk, platform, app, installId, tags };
}

export function parseResponse(serialized: Uint8Array): InnerResponse {
  const { headers, trailers, ...rest } = parse(pb.InnerResponse, serialized);
  return { ...rest, headers: toFields(headers), trailers: toFields(trailers) };
}

export function serializeChunk(data: Uint8Array, trailers: readonly Readonly<Field>[] = []): Bytes {
  return pb.InnerChunk.encode({ data, trailers: toHeaders(trailers), padding: NOTHING }).finish();
}

export function parseChunk(serialized: Uint8Array): Chunk {
  const { data, trailers } = parse(pb.InnerChunk, serialized);
  return { data, trailers: toFields(trailers) };
}

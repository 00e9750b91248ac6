/** streamed: responses are read, in one piece, byte by byte and as the vector cuts them; requests are written. */

import { concat, hex, u32 } from "../../../src/bytes.js";
import type { Bytes } from "../../../src/bytes.js";
import type { Crypto } from "../../../src/crypto/seam.js";
import { LinkError } from "../../../src/errors.js";
import { ResponseOpener, sealStream } from "../../../src/wire/envelope.js";
import type { Field } from "../../../src/wire/inner.js";
import type { StreamReader } from "../../../src/wire/streams.js";
import { failureOf, isValid, same } from "../expect.js";
import type { Check } from "../expect.js";
import { expectedResponse, fields, innerRequest, shown } from "../reading.js";
import type { Json } from "../reading.js";
import { cipherOf, linkKeyOf, linkSecret } from "./messages.js";

const PIECE = 10_000; // of a body that would take too long byte by byte

export const streamed: Check = async (vector, crypto) => {
  const inputs = vector.get("inputs");
  const body = await bodyOf(crypto, inputs);
  if (inputs.get("direction").text === "request") {
    return isValid(vector) ? written(vector, crypto, body) : "not ours";
  }
  const key = await linkKeyOf(crypto, inputs.get("link_key"));
  const opener = new ResponseOpener(key, inputs.get("request_nonce").bytes);
  for (const pieces of cuts(inputs, body)) {
    const reader = opener.stream();
    const outcome = await read(reader, pieces);
    if (isValid(vector)) checkWhole(vector.get("output"), reader, outcome);
    else await checkRefused(vector.get("output"), reader, outcome, pieces);
  }
  return;
};

/** What a receiver of the pieces is left with. */
interface Outcome {
  data: Uint8Array[];
  trailers: Field[];
  /** Undefined: it came whole. */
  code: string | undefined;
  /** Bytes, until the error; undefined: it came with the end. */
  after: number | undefined;
}

async function read(reader: StreamReader, pieces: readonly Uint8Array[]): Promise<Outcome> {
  const outcome: Outcome = { data: [], trailers: [], code: undefined, after: 0 };
  try {
    for (const piece of pieces) {
      outcome.after = (outcome.after ?? 0) + piece.length;
      for await (const chunk of reader.receive(piece)) {
        outcome.data.push(chunk.data);
        outcome.trailers.push(...chunk.trailers);
      }
    }
    outcome.after = undefined;
    reader.end();
  } catch (error) {
    if (!(error instanceof LinkError)) throw error;
    outcome.code = error.code;
  }
  return outcome;
}

function checkWhole(output: Json, reader: StreamReader, outcome: Outcome): void {
  same(outcome.code, undefined, "refused by");
  same(
    words(outcome.data),
    output
      .get("chunks")
      .list.map((data) => hex(data.words))
      .join(),
    "chunks",
  );
  same(JSON.stringify(outcome.trailers), JSON.stringify(fields(output.get("trailers"))), "trailers");
  same(reader.head && shown(reader.head), expectedResponse(output.get("inner")), "head");
  same(reader.isComplete, true, "complete");
}

async function checkRefused(
  output: Json,
  reader: StreamReader,
  outcome: Outcome,
  pieces: readonly Uint8Array[],
): Promise<void> {
  const after = output.get("after");
  same(outcome.code, after.isAbsent ? "truncated" : "bad-response", "refused by");
  same(
    words(outcome.data),
    output
      .get("delivered")
      .list.map((data) => hex(data.words))
      .join(),
    "delivered",
  );
  const opened = reader.head === undefined ? 0 : 1 + outcome.data.length;
  same(opened, output.get("segment").isAbsent ? 0 : output.get("segment").number, "refused at segment");
  same(outcome.after === undefined, after.isAbsent, "refused at the end");
  if (pieces.every((piece) => piece.length === 1))
    same(outcome.after, after.value ?? undefined, "refused after");
  same(reader.isComplete, false, "complete");
  await failureOf(() => {
    reader.end();
  });
}

/** Chunk by chunk, the trailers at the end. */
async function written(vector: Json, crypto: Crypto, expected: Uint8Array): Promise<"not ours" | undefined> {
  const steps = vector.get("intermediates");
  const output = vector.get("output");
  if (steps.get("padding").isAbsent) return "not ours"; // no writer makes it
  const padding = steps.get("padding").text === "padme" ? "padme" : "none";
  const secret = await linkSecret(crypto, steps);
  const inner = innerRequest(output.get("inner"));
  const { head, writer } = await sealStream(secret, inner, { nonce: steps.get("nonce").bytes, padding });
  const chunks = output.get("chunks").list.map((data) => data.words);
  const parts: Uint8Array[] = [head];
  for (const chunk of chunks.slice(0, -1)) parts.push(await writer.write(chunk));
  parts.push(await writer.finish(chunks.at(-1), fields(output.get("trailers"))));
  same(concat(...parts), expected, "body");
  return undefined;
}

function words(data: readonly Uint8Array[]): string {
  return data.map((each) => hex(each)).join();
}

/** The body whole, at the splits that the vector names, and in small pieces. */
function* cuts(inputs: Json, body: Uint8Array): Generator<Uint8Array[]> {
  const step = body.length < PIECE ? 1 : PIECE;
  const splits = inputs.get("splits");
  const small = Array.from({ length: Math.ceil(body.length / step) }, (_, at) => at * step);
  for (const edges of [[], splits.isAbsent ? [] : splits.list.map((split) => split.number), small.slice(1)]) {
    yield [0, ...edges].map((start, at) => body.subarray(start, edges[at]));
  }
}

/** As it is written there, or made by its recipe. */
async function bodyOf(crypto: Crypto, inputs: Json): Promise<Bytes> {
  const recipe = inputs.get("recipe");
  if (recipe.isAbsent) return inputs.get("body").bytes;
  const cipher = await cipherOf(crypto, recipe);
  const parts: Uint8Array[] = [recipe.get("preamble").bytes];
  for (const [index, segment] of recipe.get("segments").list.entries()) {
    const isFinal = segment.get("final").flag;
    const ciphertext = await cipher.seal(index, segment.get("plaintext").words, isFinal);
    parts.push(u32(isFinal ? ciphertext.length + 2 ** 31 : ciphertext.length), ciphertext); // of any length
  }
  const body = concat(...parts);
  same(body.length, recipe.get("length").number, "length of the recipe's body");
  same(await crypto.sha256(body), recipe.get("sha256").bytes, "hash of the recipe's body");
  return body;
}

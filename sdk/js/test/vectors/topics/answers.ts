/** media-types, answers and errors: what stands outside the seal may claim a problem, and says nothing of the outcome. */

import { utf8 } from "../../../src/bytes.js";
import type { Crypto } from "../../../src/crypto/seam.js";
import { FAULTS, LinkError, PROBLEMS } from "../../../src/errors.js";
import type { OuterAnswer } from "../../../src/link/carrier.js";
import { sealedForm } from "../../../src/link/outer.js";
import { ResponseOpener } from "../../../src/wire/envelope.js";
import { mediaForm } from "../../../src/wire/media.js";
import type { InnerResponse } from "../../../src/wire/inner.js";
import { failureOf, isValid, refused, same } from "../expect.js";
import type { Check } from "../expect.js";
import { expectedResponse, shown } from "../reading.js";
import type { Json } from "../reading.js";
import { linkKeyOf } from "./messages.js";

const FORMS: Readonly<Record<number, string>> = { 1: "whole", 2: "streamed" };

export const mediaTypes: Check = (vector) => {
  const contentType = vector.get("inputs").get("content_type");
  const form = mediaForm(contentType.isAbsent ? undefined : contentType.text);
  same(form, isValid(vector) ? FORMS[vector.get("output").get("form").number] : undefined, "form");
  return Promise.resolve(undefined);
};

export const answers: Check = async (vector, crypto) => {
  const inputs = vector.get("inputs");
  const contentType = inputs.get("content_type").isAbsent ? undefined : inputs.get("content_type").text;
  const answer = outerAnswer(inputs.get("outer_status").number, contentType, inputs.get("body").bytes);
  const opener = await openerOf(crypto, inputs);
  if (isValid(vector)) {
    const expected = expectedResponse(vector.get("output").get("inner"));
    same(shown(await opened(opener, answer)), expected, "opened");
    return;
  }
  const error = await failureOf(() => opened(opener, answer));
  if (!(error instanceof LinkError)) throw error;
  same(error.outcomeUnknown, true, "outcome unknown");
  same(error.fault, undefined, "fault");
  const claimed = PROBLEMS.find((code) => code === error.code) ?? null;
  same(claimed, vector.get("output").get("problem").value, "problem");
};

/** Problems as they are claimed, faults as they are sealed; and each has a code. */
export const errors: Check = async (vector, crypto) => {
  const inputs = vector.get("inputs");
  const output = vector.get("output");
  const code = inputs.get("error").text;
  const [status, contentType] = [output.get("outer_status").number, output.get("content_type").text];
  if (output.get("kind").text === "problem") {
    const answer = outerAnswer(status, contentType, utf8(output.get("body").text));
    await refused(code, () => sealedForm(answer));
    same(
      PROBLEMS.some((each) => each === code),
      true,
      "a problem of section 9",
    );
    return;
  }
  const opener = await openerOf(crypto, inputs);
  const inner = await opened(opener, outerAnswer(status, contentType, output.get("body").bytes));
  same(shown(inner), expectedResponse(output.get("inner")), "opened");
  same(
    inner.fault,
    FAULTS.find((each) => each === code),
    "fault",
  );
};

async function openerOf(crypto: Crypto, inputs: Json): Promise<ResponseOpener> {
  return new ResponseOpener(
    await linkKeyOf(crypto, inputs.get("link_key")),
    inputs.get("request_nonce").bytes,
  );
}

/** As an exchange reads it. */
async function opened(opener: ResponseOpener, answer: OuterAnswer): Promise<InnerResponse> {
  const form = await sealedForm(answer);
  let body = new Uint8Array();
  for await (const piece of answer.body) body = new Uint8Array(piece);
  if (form === "whole") return opener.open(body);
  const reader = opener.stream();
  for await (const chunk of reader.receive(body)) same(chunk.data.length, 0, "delivered");
  reader.end();
  throw new Error("a whole answer was read as a stream");
}

/** A double of what a carrier brings: one outer answer, in one piece. */
function outerAnswer(status: number, contentType: string | undefined, body: Uint8Array): OuterAnswer {
  return {
    status,
    header: (name) => (name === "content-type" ? contentType : undefined),
    body: onePiece(body),
    cancel: () => undefined,
  };
}

async function* onePiece(body: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield await Promise.resolve(body);
}

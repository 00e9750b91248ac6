/** Header and trailer fields: RFC 9110's, as section 7 of the protocol narrows them. */

import { fromLatin1, latin1 } from "../bytes.js";
import { LinkError } from "../errors.js";
import type { Header } from "./gen/privatelink.js";
import type { Field } from "./inner.js";

const NAME = /^[!#$%&'*+\-.^`|~0-9a-z]+$/; // lower case, and without "_"
const VALUE = /^(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?$/;
const MAX_NAME_SHOWN = 64;

/** What is wrong with a field, or undefined: the header and the rule, never the value. */
export function whyNoField([name, value]: Readonly<Field>): string | undefined {
  const shown = `header ${JSON.stringify(name.slice(0, MAX_NAME_SHOWN))}`;
  if (name.includes("_")) return `${shown}: no "_" in a name`;
  if (!NAME.test(name)) return `${shown}: a name is a lower-case token of RFC 9110`;
  if (!VALUE.test(value)) return `${shown}: no control characters in a value, and no white space around it`;
  return undefined;
}

export function toHeaders(fields: readonly Readonly<Field>[]): Header[] {
  return fields.map(([name, value]) => ({ name, value: latin1(value) }));
}

/** Fields that came out of a seal. Throws LinkError("bad-response"). */
export function toFields(headers: readonly Header[]): Field[] {
  return headers.map(({ name, value }) => {
    const field: Field = [name, fromLatin1(value)];
    const reason = whyNoField(field);
    if (reason !== undefined) throw new LinkError("bad-response", reason, { outcomeUnknown: true });
    return field;
  });
}

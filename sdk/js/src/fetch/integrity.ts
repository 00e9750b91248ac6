/** `integrity` of a request (Subresource Integrity, 3.3): what the body has to hash to. */

import type { Bytes } from "../bytes.js";

const HASH = /^sha(256|384|512)-([A-Za-z0-9+/_-]+={0,2})(?:\?[!-~]*)?$/;

/** Throws TypeError when the bytes are not those; only the strongest of the algorithms named counts. */
export async function checkIntegrity(integrity: string, bytes: Bytes): Promise<void> {
  const hashes = integrity.split(/[\t\n\f\r ]+/).map((token) => HASH.exec(token));
  const sizes = hashes.map((hash) => Number(hash?.[1] ?? 0));
  const strongest = Math.max(...sizes);
  if (strongest === 0) return;
  const digest = await subtle().digest(`SHA-${strongest}`, bytes);
  const found = btoa(String.fromCharCode(...new Uint8Array(digest)));
  const isExpected = (hash: RegExpExecArray | null): boolean =>
    Number(hash?.[1]) === strongest && base64(hash?.[2] ?? "") === found;
  if (!hashes.some(isExpected))
    throw new TypeError("the answer does not have the integrity that was asked for");
}

function subtle(): SubtleCrypto {
  const found: SubtleCrypto | undefined = (globalThis as { crypto?: Partial<Crypto> }).crypto?.subtle;
  if (!found) throw new TypeError("integrity can't be told in a page that did not come over TLS");
  return found;
}

function base64(text: string): string {
  return text.replaceAll("-", "+").replaceAll("_", "/");
}

/** The signed key directory (protocol, section 11). */

import { concat, equal, hex, latin1 } from "../bytes.js";
import type { Crypto } from "../crypto/seam.js";
import { XWING } from "../crypto/seam.js";
import { LinkError } from "../errors.js";
import * as pb from "./gen/privatelink.js";
import { isKem, keyId, publicKey, rootId } from "./keys.js";
import type { PublicKey } from "./keys.js";
import { parse } from "./messages.js";

const MAX_LIFE = 30 * 86_400;
const CLOCK_TOLERANCE = 86_400;
const MAX_SIGNATURES = 16; // each is verified: anyone could send thousands
const CONTEXT = latin1("privatelink/1 directory\0");

/** A gateway key that clients may use from `notBefore` until `notAfter` (Unix seconds). */
export interface DirectoryKey {
  readonly key: PublicKey;
  readonly notBefore: number;
  readonly notAfter: number;
}

/** What a gateway says of itself. Times in Unix seconds; `keys` in order of preference. */
export interface Directory {
  readonly serial: number;
  readonly issuedAt: number;
  readonly expiresAt: number;
  readonly keys: readonly DirectoryKey[];
  readonly path: string;
  /** Empty: streamed requests are not offered. */
  readonly streamPath: string;
  readonly maxRequestBytes: number;
  readonly links: readonly string[];
}

/** The highest serial that a client has accepted for a link and root, and the SHA-256 of its bytes in hexadecimal. */
export interface Accepted {
  readonly serial: number;
  readonly digest: string;
}

/** By root id, in hexadecimal. */
export type Seen = ReadonlyMap<string, Accepted>;

/** What a directory is held to. */
export interface Trust {
  /** Pinned root keys, 32 bytes each. */
  roots: readonly Uint8Array[];
  /** The link's origin. */
  link: string;
  /** Unix time in seconds, by the device's own clock. */
  now: number;
  seen: Seen;
}

/** A directory to trust, and what to remember of it. */
export interface Verified {
  directory: Directory;
  /** Of the pinned roots that have signed it. */
  accepted: Seen;
  /** Of all roots. */
  seen: Seen;
}

/** The first key whose dates hold; told to `requirePq`, the first of those that is X-Wing. `now` in Unix seconds. */
export function preferredKey(
  directory: Directory,
  now: number,
  { requirePq }: { requirePq: boolean },
): PublicKey | undefined {
  const usable = directory.keys.find(
    ({ key, notBefore, notAfter }) => notBefore <= now && now < notAfter && (!requirePq || key.kem === XWING),
  );
  return usable?.key;
}

/** Accepts a SignedKeyDirectory by section 11, or rejects with a LinkError of one of the codes `directory…`. */
export async function verifyDirectory(crypto: Crypto, signed: Uint8Array, trust: Trust): Promise<Verified> {
  const message = parse(pb.SignedKeyDirectory, signed, noDirectory);
  if (message.signatures.length > MAX_SIGNATURES) throw noDirectory(`more than ${MAX_SIGNATURES} signatures`);
  const signers = await signersOf(crypto, message, trust.roots);
  const directory = await readDirectory(crypto, message.directory);
  checkScope(directory, trust);
  const offered = { serial: directory.serial, digest: hex(await crypto.sha256(message.directory)) };
  for (const signer of signers) checkRollback(offered, trust.seen.get(signer));
  const accepted = new Map(signers.map((signer) => [signer, offered]));
  return { directory, accepted, seen: new Map([...trust.seen, ...accepted]) };
}

/** Whether what is known of a root rules out what is offered: a higher serial, or the same with other bytes. */
export function outranks(known: Accepted | undefined, offered: Accepted): boolean {
  if (known === undefined || known.serial < offered.serial) return false;
  return known.serial > offered.serial || known.digest !== offered.digest;
}

/** The ids of the pinned roots that have signed it. */
async function signersOf(
  crypto: Crypto,
  message: pb.SignedKeyDirectory,
  roots: readonly Uint8Array[],
): Promise<string[]> {
  const signed = concat(CONTEXT, message.directory);
  const signers: string[] = [];
  let isClaimed = message.signatures.length === 0;
  for (const root of roots) {
    const id = await rootId(crypto, root);
    for (const entry of message.signatures.filter((each) => equal(each.rootId, id))) {
      isClaimed = true;
      if (await crypto.verify(root, entry.signature, signed)) signers.push(hex(id));
    }
  }
  if (signers.length > 0) return signers;
  if (isClaimed) throw new LinkError("directory-unsigned", "no signature of a pinned root holds");
  throw new LinkError("directory-untrusted", "no pinned root has signed it");
}

async function readDirectory(crypto: Crypto, serialized: Uint8Array): Promise<Directory> {
  const message = parse(pb.KeyDirectory, serialized, noDirectory);
  const { issuedAt, expiresAt, path, streamPath } = message;
  if (!isPath(path) || (streamPath !== "" && !isPath(streamPath))) {
    throw noDirectory('a path that does not start with one "/"');
  }
  if (issuedAt >= expiresAt || expiresAt > issuedAt + MAX_LIFE) {
    throw noDirectory("a life of more than 30 days, or none");
  }
  const known = message.keys.filter((entry) => isKem(entry.kemId));
  return { ...message, keys: await Promise.all(known.map((entry) => readKey(crypto, entry))) };
}

async function readKey(crypto: Crypto, entry: pb.GatewayKey): Promise<DirectoryKey> {
  const key = checkedKey(entry);
  if (!equal(await keyId(crypto, key), entry.keyId))
    throw noDirectory("a gateway key under another key's id");
  return { key, notBefore: entry.notBefore, notAfter: entry.notAfter };
}

function checkedKey(entry: pb.GatewayKey): PublicKey {
  try {
    return publicKey(entry.kemId, entry.publicKey);
  } catch (cause) {
    throw noDirectory("a gateway key of the wrong length", cause);
  }
}

function isPath(path: string): boolean {
  return path.startsWith("/") && !path.startsWith("//");
}

function checkScope(directory: Directory, { link, now }: Trust): void {
  if (!directory.links.includes(link)) throw new LinkError("directory-other-link", `it is not for ${link}`);
  if (now < directory.issuedAt - CLOCK_TOLERANCE) {
    throw new LinkError("directory-early", "it was issued in the future");
  }
  if (now >= directory.expiresAt) throw new LinkError("directory-expired", "it has expired");
}

function checkRollback(offered: Accepted, known: Accepted | undefined): void {
  if (!known || !outranks(known, offered)) return;
  const fault =
    offered.serial === known.serial ? "was seen with other bytes" : `is rolled back from ${known.serial}`;
  throw new LinkError("directory-rolled-back", `serial ${offered.serial} ${fault}`);
}

function noDirectory(reason: string, cause?: unknown): LinkError {
  return new LinkError("directory", reason, { cause });
}

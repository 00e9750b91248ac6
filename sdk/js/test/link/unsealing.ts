/** The gateway's half of the protocol, as far as a double of it needs it. */

import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from "node:crypto";
import type { KeyObject } from "node:crypto";

import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from "@hpke/core";
import type { KemInterface } from "@hpke/core";
import { XWing } from "@hpke/hybridkem-x-wing";

import { base64url, concat, latin1, u16 } from "../../src/bytes.js";
import { X25519, XWING } from "../../src/crypto/seam.js";
import type { Kem } from "../../src/crypto/seam.js";
import { webCrypto } from "../../src/crypto/webcrypto.js";
import { toHeaders } from "../../src/wire/fields.js";
import type { Field } from "../../src/wire/inner.js";
import { FrameReader } from "../../src/wire/framing.js";
import type { Segment } from "../../src/wire/framing.js";
import * as pb from "../../src/wire/gen/privatelink.js";
import { keyId, publicKey, rootId } from "../../src/wire/keys.js";
import type { PublicKey } from "../../src/wire/keys.js";
import { deriveLinkKey, linkSalt } from "../../src/wire/secret.js";
import { requestCipher, responseCipher } from "../../src/wire/segments.js";
import type { Form, LinkKey, SegmentCipher } from "../../src/wire/segments.js";
import { StreamWriter } from "../../src/wire/streams.js";

export type InnerRequest = pb.InnerRequest;

const NOTHING = new Uint8Array();

const crypto = webCrypto();
const CONTEXT = latin1("privatelink/1 directory\0");

/** A gateway key pair. */
export interface PrivateKey {
  readonly public: PublicKey;
  readonly id: Uint8Array;
  readonly text: string;
  decapsulate(encapsulation: Uint8Array): Promise<LinkKey>;
}

export async function gatewayKey(kem: Kem = X25519): Promise<PrivateKey> {
  const suite = kemOf(kem);
  const { publicKey: half, privateKey } = await suite.kem.generateKeyPair();
  const held = publicKey(kem, new Uint8Array(await suite.kem.serializePublicKey(half)));
  const id = await keyId(crypto, held);
  const context = concat(u16(kem), id);
  const info = concat(latin1("privatelink/1 secret\0"), context);
  return {
    public: held,
    id,
    text: `${kem === XWING ? "xwing" : "x25519"}:${base64url(held.raw)}`,
    decapsulate: async (encapsulation) => {
      const enc = encapsulation.slice(0, -48);
      const opened = await suite.open({ recipientKey: privateKey, enc, info }, encapsulation.slice(-48));
      const salt = await linkSalt(crypto, context, encapsulation);
      return deriveLinkKey(crypto, salt, new Uint8Array(opened));
    },
  };
}

function kemOf(kem: Kem): CipherSuite {
  const interfaces: Record<Kem, KemInterface> = {
    [X25519]: new DhkemX25519HkdfSha256(),
    [XWING]: new XWing(),
  };
  return new CipherSuite({ kem: interfaces[kem], kdf: new HkdfSha256(), aead: new Aes256Gcm() });
}

/** A root key pair. */
export class Root {
  readonly raw: Uint8Array;
  readonly #key: KeyObject;

  constructor() {
    const pem = generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" });
    this.#key = createPrivateKey(pem);
    this.raw = createPublicKey(this.#key).export({ type: "spki", format: "der" }).subarray(-32);
  }

  get text(): string {
    return `ed25519:${base64url(this.raw)}`;
  }

  async signature(directory: Uint8Array): Promise<{ rootId: Uint8Array; signature: Uint8Array }> {
    const signature = new Uint8Array(sign(null, concat(CONTEXT, directory), this.#key));
    return { rootId: await rootId(crypto, this.raw), signature };
  }
}

export interface DirectoryFields {
  serial: number;
  issuedAt: number;
  expiresAt: number;
  keys: readonly { key: PrivateKey; notBefore: number; notAfter: number }[];
  path: string;
  streamPath: string;
  maxRequestBytes: number;
  links: string[];
}

/** A SignedKeyDirectory. */
export async function signDirectory(fields: DirectoryFields, roots: readonly Root[]): Promise<Uint8Array> {
  const keys = fields.keys.map(({ key, ...dates }) => {
    return { keyId: key.id, kemId: key.public.kem, publicKey: key.public.raw, ...dates };
  });
  const directory = pb.KeyDirectory.encode({ ...fields, keys }).finish();
  const signatures = await Promise.all(roots.map((root) => root.signature(directory)));
  return pb.SignedKeyDirectory.encode({ directory, signatures }).finish();
}

export interface Reply {
  status?: number;
  headers?: Field[];
  body?: Uint8Array;
  trailers?: Field[];
  fault?: string;
  gatewayTimeMs?: number;
  directorySerial?: number;
}

/** A request as the gateway has opened it, with its body, and what its answer is sealed with. */
export class Opened {
  readonly inner: InnerRequest;
  readonly form: Form;
  readonly keyId: Uint8Array;
  readonly #linkKey: LinkKey;
  readonly #nonce: Uint8Array;

  constructor(inner: InnerRequest, form: Form, sealed: pb.SealedRequest, linkKey: LinkKey) {
    this.inner = inner;
    this.form = form;
    this.keyId = sealed.keyId;
    this.#linkKey = linkKey;
    this.#nonce = sealed.nonce;
  }

  /** A whole answer's outer body. */
  async sealed(reply: Reply): Promise<Uint8Array> {
    const nonce = await crypto.random(16);
    const cipher = await responseCipher(this.#linkKey, "whole", this.#nonce, nonce);
    const ciphertext = await cipher.seal(0, serialized(reply), true);
    return pb.SealedResponse.encode({ nonce, ciphertext }).finish();
  }

  /** A streamed answer's outer body in pieces: the head, a segment for each six bytes, the final one. */
  async pieces(reply: Reply): Promise<Uint8Array[]> {
    const { body = new Uint8Array(), trailers = [], ...head } = reply;
    const nonce = await crypto.random(16);
    const writer = new StreamWriter(
      await responseCipher(this.#linkKey, "streamed", this.#nonce, nonce),
      "none",
    );
    const preamble = pb.SealedResponse.encode({ nonce, ciphertext: NOTHING }).finish();
    const pieces = [await writer.head(preamble, serialized(head))];
    for (let at = 0; at < body.length; at += 6) pieces.push(await writer.write(body.subarray(at, at + 6)));
    return [...pieces, await writer.finish(new Uint8Array(), trailers)];
  }
}

function serialized(reply: Reply): Uint8Array {
  const { status = 200, headers = [], body = NOTHING, trailers = [], fault = "" } = reply;
  const { gatewayTimeMs = 0, directorySerial = 0 } = reply;
  const fields = { headers: toHeaders(headers), trailers: toHeaders(trailers) };
  const told = { gatewayTimeMs, directorySerial, padding: NOTHING };
  return pb.InnerResponse.encode({ status, body, fault, ...fields, ...told }).finish();
}

/** Undefined: the key is not held. */
export async function unseal(
  keys: readonly PrivateKey[],
  form: Form,
  body: Uint8Array,
): Promise<Opened | undefined> {
  const frames = form === "whole" ? undefined : [...new FrameReader().receive(body)];
  const [preamble, ...segments] = frames ?? [];
  const envelope = preamble?.kind === "preamble" ? preamble.message : body;
  const sealed = pb.SealedRequest.decode(envelope);
  const key = keys.find(({ id }) => base64url(id) === base64url(sealed.keyId));
  if (!key) return undefined;
  const linkKey = await key.decapsulate(sealed.encapsulation);
  const cipher = await requestCipher(linkKey, form, sealed.nonce);
  const inner = frames
    ? await gathered(cipher, segments as Segment[])
    : pb.InnerRequest.decode(await cipher.open(0, sealed.ciphertext, true));
  return new Opened(inner, form, sealed, linkKey);
}

async function gathered(cipher: SegmentCipher, segments: readonly Segment[]): Promise<InnerRequest> {
  const opened = await Promise.all(
    segments.map(({ ciphertext, isFinal }, at) => cipher.open(at, ciphertext, isFinal)),
  );
  const [head = new Uint8Array(), ...chunks] = opened;
  if (segments.at(-1)?.isFinal !== true) throw new Error("a stream without an end");
  const inner = pb.InnerRequest.decode(head);
  inner.body = concat(...chunks.map((chunk) => pb.InnerChunk.decode(chunk).data));
  return inner;
}

/**
 * Who stands between pages and the gateway, with a certificate that the browser trusts: it passes on what it gets,
 * remembers it, and answers as a test tells it to.
 */

import { readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, request, type Server } from "node:https";
import { buffer } from "node:stream/consumers";

import type { Scene } from "./stage.js";
import { authorityOf, listen } from "../listening.js";

export interface Asked {
  method: string;
  path: string;
  headers: IncomingMessage["headers"];
  body: Buffer;
}

/** `pass` asks the gateway the same. */
export type Script = (
  reply: ServerResponse,
  pass: () => Promise<IncomingMessage>,
  asked: Asked,
) => void | Promise<void>;

export class Rogue {
  /** What it got, preflights apart. */
  readonly seen: Asked[] = [];
  /** For key directories, and for exchanges. */
  keys: Script = onward;
  exchange: Script = onward;
  readonly #server: Server;
  #scene: Scene | undefined;

  private constructor(server: Server) {
    this.#server = server;
    server.on("request", (incoming, reply) => void this.#serve(incoming, reply));
  }

  /** It has a port; to stand anywhere it needs a scene, which has to know its origin first. */
  static async listening(): Promise<Rogue> {
    const server = createServer();
    await listen(server);
    return new Rogue(server);
  }

  get origin(): string {
    return `https://${authorityOf(this.#server)}`;
  }

  /** Stand before this scene's gateway, and pass everything on. */
  stand(scene: Scene): void {
    this.#scene = scene;
    this.#server.setSecureContext({
      cert: readFileSync(scene.certificate),
      key: readFileSync(scene.private_key),
    });
  }

  /** Pass everything on from here, and forget what was seen. */
  behave(): void {
    this.seen.length = 0;
    this.keys = this.exchange = onward;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #serve(incoming: IncomingMessage, reply: ServerResponse): Promise<void> {
    const { method = "", url: path = "", headers } = incoming;
    const asked = { method, path, headers, body: await buffer(incoming) };
    const pass = (): Promise<IncomingMessage> => this.#pass(asked);
    if (method === "OPTIONS") return onward(reply, pass);
    this.seen.push(asked);
    reply.setHeader("access-control-allow-origin", headers.origin ?? "null");
    reply.setHeader("access-control-allow-credentials", "true");
    await (method === "GET" ? this.keys : this.exchange)(reply, pass, asked);
  }

  async #pass({ method, path, headers, body }: Asked): Promise<IncomingMessage> {
    if (!this.#scene) throw new Error("it stands nowhere yet");
    const outgoing = request(`${this.#scene.gateway}${path}`, {
      method,
      headers,
      ca: this.#scene.ca ?? undefined,
    });
    outgoing.end(body);
    return new Promise((resolve, reject) => {
      outgoing.once("response", resolve).once("error", reject);
    });
  }
}

async function onward(reply: ServerResponse, pass: () => Promise<IncomingMessage>): Promise<void> {
  const answer = await pass();
  head(reply, answer);
  answer.pipe(reply);
}

const FRAMING = new Set(["content-length", "transfer-encoding", "connection"]);

/** The status and the headers of an answer, as they are. */
export function head(reply: ServerResponse, answer: IncomingMessage): void {
  const headers = Object.entries(answer.headers).filter(([name]) => !FRAMING.has(name));
  reply.writeHead(answer.statusCode ?? 500, Object.fromEntries(headers));
  reply.flushHeaders();
}

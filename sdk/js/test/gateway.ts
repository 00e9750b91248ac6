/** The real gateway for tests in Node: Envoy, workers, upstreams (tests/browser/scene.py), until it is stopped. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createServer, request as httpRequest } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { createInterface } from "node:readline";
import { pipeline } from "node:stream";
import { buffer } from "node:stream/consumers";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { authorityOf, listen } from "./listening.js";

/** As the scene prints it; see there. */
export interface Scene {
  gateway: string;
  roots: string[];
  /** Inner origins: of the demo's shop, and of an upstream that echoes. */
  shop: string;
  upstream: string;
  /** PEM of the authority; null without TLS. */
  ca: string | null;
  admin: string;
  access_log: string;
  /** Files of signed directories, by name. */
  directories: Record<string, string>;
  stop(): Promise<void>;
}

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const VENV = `${ROOT}.venv/bin/python`;

/** `options`: of the scene. */
export async function startScene(...options: string[]): Promise<Scene> {
  const python = existsSync(VENV) ? VENV : (process.env["PYTHON"] ?? "python3");
  const child = spawn(python, ["-m", "tests.browser.scene", ...options], {
    cwd: ROOT,
    stdio: ["pipe", "pipe", "ignore"],
  });
  const over = new Promise<void>((resolve) => {
    child.once("exit", () => {
      resolve();
    });
  });
  const stop = (): Promise<void> => {
    child.stdin.end();
    return over;
  };
  for await (const line of createInterface(child.stdout)) {
    if (!line.startsWith("{")) continue;
    const facts: unknown = JSON.parse(line);
    assert.ok(isScene(facts));
    return { ...facts, ca: facts.ca === null ? null : readFileSync(facts.ca, "utf8"), stop };
  }
  throw new Error("the scene did not start");
}

function isScene(it: unknown): it is Omit<Scene, "stop"> {
  return typeof it === "object" && it !== null && "gateway" in it && "roots" in it && "ca" in it;
}

/** The line of Envoy's access log for one request, once it is written. */
export async function accessLog(scene: Scene, requestId: string): Promise<Record<string, unknown>> {
  return eventually(() => {
    const lines = readFileSync(scene.access_log, "utf8")
      .split("\n")
      .filter((line) => line !== "");
    const entries = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    return entries.find((entry) => entry["request_id"] === requestId);
  });
}

/** Once nothing of any exchange is left in Envoy. */
export function quiet(scene: Scene): Promise<true> {
  return eventually(async () => (await active(scene, "(cluster|http.ingress)")) === 0 || undefined);
}

/** Once a request has gone to an upstream. */
export function busy(scene: Scene): Promise<true> {
  return eventually(async () => (await active(scene, "cluster.upstream_")) > 0 || undefined);
}

/** How many requests Envoy has under way. */
async function active(scene: Scene, where: string): Promise<number> {
  const stats = await fetch(`${scene.admin}/stats?filter=^${where}.*rq_active$`);
  const lines = (await stats.text()).trim().split("\n");
  return lines.reduce((sum, line) => sum + Number(line.split(": ")[1]), 0);
}

async function eventually<T>(look: () => T | undefined | Promise<T | undefined>): Promise<T> {
  for (let turn = 0; turn < 200; turn++) {
    const seen = await look();
    if (seen !== undefined) return seen;
    await setTimeout(25);
  }
  throw new Error("not within five seconds");
}

/**
 * Somebody on the way to the gateway: he passes on what comes, unless a test gives him something else to do with
 * the next request.
 */
export class Middleman {
  /** In the place of passing on the next POST, or the next GET. */
  readonly posts: Interference[] = [];
  readonly gets: Interference[] = [];
  /** The envelopes that he has passed on. */
  readonly envelopes: Passed[] = [];
  readonly #server: Server;
  #gateway = "";

  private constructor() {
    this.#server = createServer((incoming, outgoing) => {
      const interference = (incoming.method === "POST" ? this.posts : this.gets).shift();
      if (interference) interference(outgoing, incoming);
      else void this.#passOn(incoming, outgoing);
    });
  }

  /** Listening, before there is a gateway. */
  static async listen(): Promise<Middleman> {
    const middleman = new Middleman();
    await listen(middleman.#server);
    return middleman;
  }

  get origin(): string {
    return `http://${authorityOf(this.#server)}`;
  }

  /** From here on he stands before this one. */
  before(scene: Scene): void {
    this.#gateway = scene.gateway;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  /** What the gateway answers to an envelope that was passed on. */
  async again({ url, headers, body }: Passed): Promise<Response> {
    return fetch(this.#gateway + url, { method: "POST", headers, body: new Uint8Array(body) });
  }

  async #passOn(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const { method, url = "/" } = incoming;
    const type = incoming.headers["content-type"];
    const headers = { ...(type === undefined ? {} : { "content-type": type }) };
    const body = await buffer(incoming);
    if (method === "POST") this.envelopes.push({ url, headers, body });
    const passed = httpRequest(this.#gateway + url, { method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 0, answer.headers);
      pipeline(answer, outgoing, () => undefined); // either end's loss is the other's
    });
    outgoing.on("close", () => passed.destroy());
    passed.on("error", () => outgoing.destroy());
    passed.end(body);
  }
}

export type Interference = (outgoing: ServerResponse, incoming: IncomingMessage) => void;

export interface Passed {
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly body: Uint8Array;
}

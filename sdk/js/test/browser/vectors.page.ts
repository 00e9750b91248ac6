/** The vectors, for a page. */

import { webCrypto } from "../../src/crypto/webcrypto.js";
import { runVectors, TOPICS, type Report } from "../vectors/run.js";

declare global {
  /** Runs what the page can fetch at /vectors/. */
  var runAllVectors: () => Promise<Report>;
}

globalThis.runAllVectors = async () => {
  const files = TOPICS.map(async (topic): Promise<[string, unknown]> => {
    const response = await fetch(`/vectors/${topic}.json`);
    return [topic, await response.json()];
  });
  return runVectors(webCrypto(), Object.fromEntries(await Promise.all(files)));
};

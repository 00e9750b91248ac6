/** A mini program, as the link asks for a platform. */

import { LinkError } from "../errors.js";
import { nobleCrypto, type RandomSource } from "../crypto/noble.js";
import { timer, type Platform } from "../link/platform.js";
import { keyValueStore } from "../link/store.js";
import { wxCarrier } from "./carrier.js";
import { Jar } from "./jar.js";
import type { Wx } from "./wx.js";

/** `jar`: the link's own cookies. */
export function wechatPlatform(wx: Wx, gateway: string): { platform: Platform; jar: Jar } {
  const storage = storageOf(wx);
  const jar = new Jar(storage, gateway, () => Date.now());
  const platform: Platform = {
    name: "wechat",
    crypto: nobleCrypto(randomSource(wx)),
    carrier: wxCarrier(wx, jar),
    store: keyValueStore(storage),
    now: () => Date.now(),
    monotonic: forward(() => Date.now()),
    timer,
  };
  return { platform, jar };
}

/** There is no clock but the wall's: set back, it stands still until it is where it was. */
function forward(clock: () => number): () => number {
  let latest = 0;
  return () => (latest = Math.max(latest, clock()));
}

/** `wx.getRandomValues`. Never Math.random: without a source there is no request. */
function randomSource(wx: Wx): RandomSource {
  return (length) =>
    new Promise((resolve, reject) => {
      const lacking = (reason: string): void => {
        reject(new LinkError("unsupported", `no source of randomness: ${reason}`));
      };
      if (wx.getRandomValues === undefined) {
        lacking("wx.getRandomValues needs base library 2.15.0");
        return;
      }
      wx.getRandomValues({
        length,
        success: ({ randomValues }) => {
          const drawn = new Uint8Array(randomValues);
          if (drawn.length === length) resolve(drawn);
          else lacking(`asked for ${length} bytes, got ${drawn.length}`);
        },
        fail: ({ errMsg }) => {
          lacking(errMsg);
        },
      });
    });
}

/** `wx.getStorageSync` gives an empty string for what is not there. */
function storageOf(wx: Wx): ConstructorParameters<typeof Jar>[0] {
  return {
    get: (key) => {
      const text = wx.getStorageSync(key);
      return typeof text === "string" && text !== "" ? text : undefined;
    },
    set: (key, text) => {
      wx.setStorageSync(key, text);
    },
    remove: (key) => {
      wx.removeStorageSync(key);
    },
  };
}

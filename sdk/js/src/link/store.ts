/** Where text outlives the page: one place for each link, shared by all pages of an origin. */

export interface Store {
  /**
   * Puts what `change` makes of the text under `key` in its place, and resolves to that; undefined is no text.
   * No other update of the key comes in between where the platform can say so. To read is to change nothing.
   */
  update(key: string, change: Change): Promise<string | undefined>;
}

export type Change = (text: string | undefined) => string | undefined;

/** What a platform's simple storage has; each may also give a promise. */
export interface KeyValue {
  get(key: string): string | null | undefined | Promise<string | null | undefined>;
  set(key: string, text: string): unknown;
  remove(key: string): unknown;
}

/** For as long as the page lives. */
export function memoryStore(): Store {
  const texts = new Map<string, string>();
  return {
    update: (key, change) => {
      const text = change(texts.get(key));
      if (text === undefined) texts.delete(key);
      else texts.set(key, text);
      return Promise.resolve(text);
    },
  };
}

/** Over storage that reads and writes only. Updates of this page follow one another; two pages may cross. */
export function keyValueStore(storage: KeyValue): Store {
  let last: Promise<unknown> = Promise.resolve();
  const updated = async (key: string, change: Change): Promise<string | undefined> => {
    const old = (await storage.get(key)) ?? undefined;
    const text = change(old);
    if (text === old) return text;
    await (text === undefined ? storage.remove(key) : storage.set(key, text));
    return text;
  };
  return {
    update: (key, change) => {
      const next = last.then(() => updated(key, change));
      last = next.catch(() => undefined);
      return next;
    },
  };
}

/** The stores of browsers: in a module of their own, for what else there is has no types for them. */

import { keyValueStore, type Change, type Store } from "./store.js";

/** `localStorage`, or another Storage. */
export function webStorageStore(storage: Storage): Store {
  return keyValueStore({
    get: (key) => storage.getItem(key),
    set: (key, text) => {
      storage.setItem(key, text);
    },
    remove: (key) => {
      storage.removeItem(key);
    },
  });
}

/** IndexedDB, which service workers have as well: an update is one transaction. */
export function indexedDbStore(factory: IDBFactory, name = "extproc-link"): Store {
  let opened: Promise<IDBDatabase> | undefined;
  const open = (): Promise<IDBDatabase> => {
    opened ??= openDatabase(factory, name, () => (opened = undefined));
    return opened;
  };
  return { update: async (key, change) => transact(await open(), key, change) };
}

const TABLE = "links";

function openDatabase(factory: IDBFactory, name: string, lost: () => void): Promise<IDBDatabase> {
  const request = factory.open(name, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(TABLE);
  return new Promise((resolve, reject) => {
    request.onerror = () => {
      lost();
      reject(request.error ?? new Error("no IndexedDB"));
    };
    request.onsuccess = () => {
      const database = request.result;
      database.onclose = lost;
      database.onversionchange = () => {
        database.close();
        lost();
      };
      resolve(database);
    };
  });
}

function transact(database: IDBDatabase, key: string, change: Change): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(TABLE, "readwrite");
    const table = transaction.objectStore(TABLE);
    const read: IDBRequest<unknown> = table.get(key);
    let text: string | undefined;
    read.onsuccess = () => {
      const old = typeof read.result === "string" ? read.result : undefined;
      text = change(old);
      if (text === undefined) table.delete(key);
      else if (text !== old) table.put(text, key);
    };
    transaction.oncomplete = () => {
      resolve(text);
    };
    transaction.onabort = () => {
      reject(transaction.error ?? new Error("an IndexedDB transaction was aborted"));
    };
  });
}

// A service worker that puts what its page asks of the shop on the link. Its query says where that is.

import { linkServiceWorker } from "/sdk/service-worker.js";

const query = new URLSearchParams(location.search);

linkServiceWorker({
  gateway: query.get("gateway"),
  roots: query.getAll("root"),
  prefixes: query.getAll("prefix"),
});

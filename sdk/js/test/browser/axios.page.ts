/** axios over the link, for a page. */

import axios from "axios";

import { linkAdapter } from "../../src/adapters/axios.js";

declare global {
  var axiosOverLink: { axios: typeof axios; linkAdapter: typeof linkAdapter };
}

globalThis.axiosOverLink = { axios, linkAdapter };

// What the tests call in the page: the package as it is built, and nothing else.

import * as sdk from "/sdk/index.js";

window.sdk = sdk;

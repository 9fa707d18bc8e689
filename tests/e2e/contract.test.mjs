/**
 * What clients must see over HTTP, row by row: the gateway, the session, and the four services. The
 * rows are in `contract/`; they share one host.
 */

import { after, before, describe } from "node:test";
import { auth } from "./contract/auth.mjs";
import { chat } from "./contract/chat.mjs";
import { gateway } from "./contract/gateway.mjs";
import { messages } from "./contract/messages.mjs";
import { profile } from "./contract/profile.mjs";
import { request } from "./contract/request.mjs";
import { session } from "./contract/session.mjs";
import { host as hostUnderTest } from "./host.mjs";

/** Filled before the first row runs. */
const target = { url: "", knowsSecret: false };

describe("the contract over HTTP", { timeout: 600_000 }, () => {
  let host;
  before(async () => {
    host = await hostUnderTest();
    target.url = host.url;
    target.knowsSecret = host.knowsSecret;
  });
  after(() => host?.close());

  for (const part of [gateway, session, auth, profile, request, chat, messages]) {
    part(target);
  }
});

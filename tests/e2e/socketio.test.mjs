/**
 * Chatting with the official JavaScript client over each transport: delivery, order, acks, refusals,
 * catching up, and the ends of sessions. The tests are in `socketio/`; they share one host.
 */

import { after, before, describe } from "node:test";
import { host as hostUnderTest } from "./host.mjs";
import { socketio } from "./socketio/stage.mjs";

/** Filled before the first test runs. */
const target = { url: "" };

describe("chatting", { timeout: 300_000 }, () => {
  let host;
  before(async () => {
    host = await hostUnderTest();
    target.url = host.url;
  });
  after(() => host?.close());

  socketio(target);
});

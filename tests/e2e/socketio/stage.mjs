/**
 * Chatting with the official JavaScript client, as a suite for any host: the people and the chat that
 * its parts share, and the parts.
 *
 * @typedef {import("../people.mjs").User} User
 * @typedef {{url: string, sockets: Sockets, ada: User, ben: User, cleo: User, eve: User, direct: string}} Stage
 *   `direct` is Ada's and Ben's chat; Cleo is connected with Ada, Eve with nobody
 */

import { afterEach, before, describe } from "node:test";
import { connect, profileExists, signUp } from "../people.mjs";
import { Sockets } from "../sockets.mjs";
import { catchUp } from "./catch-up.mjs";
import { delivery } from "./delivery.mjs";
import { endings } from "./endings.mjs";
import { engine } from "./engine.mjs";
import { refusals } from "./refusals.mjs";

/**
 * @param {{url: string}} target filled before the first test runs
 * @param {{burst?: number}} [options] messages that are sent at once
 */
export function socketio(target, { burst = 200 } = {}) {
  describe("Socket.IO", () => {
    /** @type {Stage} */
    const stage = {};

    before(async () => {
      const { url } = target;
      const [ada, ben, cleo, eve] = await Promise.all(
        ["Ada", "Ben", "Cleo", "Eve"].map((firstName) => signUp(url, { firstName })),
      );
      await Promise.all([ada, ben, cleo, eve].map(profileExists));
      const direct = (await connect(ada, ben))._id;
      await connect(ada, cleo);
      Object.assign(stage, { url, sockets: new Sockets(url), ada, ben, cleo, eve, direct });
    });
    afterEach(() => stage.sockets.closeAll());

    for (const part of [delivery, refusals, catchUp, endings, engine]) {
      part(stage, { burst });
    }
  });
}

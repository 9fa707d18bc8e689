/**
 * One host on MongoDB, Redis and RabbitMQ, beside the original's services: clients see what they see
 * of the embedded backends, row by row; and neighbours see what they saw of the original.
 */

import { after, before, describe } from "node:test";
import { Backends } from "./backends.mjs";
import { auth } from "./contract/auth.mjs";
import { chat } from "./contract/chat.mjs";
import { gateway } from "./contract/gateway.mjs";
import { messages } from "./contract/messages.mjs";
import { profile } from "./contract/profile.mjs";
import { request } from "./contract/request.mjs";
import { session } from "./contract/session.mjs";
import { startHost } from "./host.mjs";
import { declareTopology } from "./original.mjs";
import { neighbours } from "./production/neighbours.mjs";
import { stored } from "./production/stored.mjs";
import { CANT_RUN } from "./servers.mjs";
import { socketio } from "./socketio/stage.mjs";

describe("production backends", { skip: CANT_RUN, timeout: 900_000 }, () => {
  const vhost = "e2e-1";
  const backends = new Backends("production", vhost);
  /** Filled before the first row runs. */
  const target = { url: "", knowsSecret: true, backends, vhost };
  let host;

  before(async () => {
    await backends.start();
    // As in a deployment that is moved over: the original was there first.
    const channel = await backends.rabbitmq.createChannel();
    await declareTopology(channel);
    await channel.close();
    host = await startHost({ env: backends.env });
    target.url = host.url;
  });
  after(async () => {
    await host?.close();
    await backends.close();
  });

  stored(target);
  neighbours(target);
  socketio(target, { burst: 50 });
  // Large files come last: a server that scans whole collections is slow from then on.
  for (const part of [gateway, session, auth, profile, request, chat, messages]) {
    part(target);
  }
});

/**
 * What breaks between a host and its servers, and that nothing acknowledged is lost over it and nothing
 * applied twice. The parts in `faults/` share one host, whose connections go through proxies.
 */

import { after, before, describe } from "node:test";
import { Backends } from "./backends.mjs";
import { broker } from "./faults/broker.mjs";
import { cache } from "./faults/cache.mjs";
import { deadLetters } from "./faults/dead-letters.mjs";
import { deliveries } from "./faults/deliveries.mjs";
import { documents } from "./faults/documents.mjs";
import { kill } from "./faults/kill.mjs";
import { twoHosts } from "./faults/two-hosts.mjs";
import { newHost } from "./host.mjs";
import { CANT_RUN } from "./servers.mjs";

describe("faults", { skip: CANT_RUN, timeout: 900_000 }, () => {
  const backends = new Backends("faults", "e2e-2");
  /** @type {{backends: Backends, host: import("./host.mjs").Host}} filled before the first test runs */
  const stage = { backends };

  before(async () => {
    await backends.start();
    stage.host = await newHost({ env: backends.env });
    await stage.host.start();
  });
  after(async () => {
    await stage.host?.close();
    await backends.close();
  });

  for (const part of [deliveries, deadLetters, cache, documents, kill, twoHosts, broker]) {
    part(stage);
  }
});

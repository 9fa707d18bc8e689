/**
 * A process that attacks: what it does with answers must not hold up whoever measures. It computes
 * only when nobody else wants to: its clients would be other machines, not the host's neighbours.
 */

import { constants, setPriority } from "node:os";
import { Client } from "./client.mjs";

process.once("message", async ({ url, host, path, count, seconds }) => {
  setPriority(constants.priority.PRIORITY_LOW);
  const statuses = new Map();
  const deadline = Date.now() + seconds * 1000;

  async function attack() {
    const client = new Client(url);
    while (Date.now() < deadline) {
      const { status } = await client.get(path, { headers: { host } }).catch((error) => ({ status: error.message }));
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
  }

  await Promise.all(Array.from({ length: count }, attack));
  process.send([...statuses], () => process.disconnect());
});

/**
 * A process that attacks whenever it is told to: what it does with answers must not hold up whoever
 * measures. It computes only when nobody else wants to: its clients would be other machines, not the
 * host's neighbours.
 */

import { execFileSync } from "node:child_process";
import { Client } from "./client.mjs";

if (process.platform === "linux") {
  // All threads (chrt(1), sched(7)): lower priorities finish their slice before they give way.
  execFileSync("chrt", ["--all-tasks", "--idle", "--pid", "0", `${process.pid}`]);
}

process.on("message", async ({ url, host, path, count, seconds }) => {
  const statuses = new Map();
  const deadline = Date.now() + seconds * 1000;

  async function attack() {
    const client = new Client(url);
    while (Date.now() < deadline) {
      const { status } = await client.get(path, { headers: { host } }).catch((error) => ({ status: error.message }));
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
    client.agent.destroy();
  }

  await Promise.all(Array.from({ length: count }, attack));
  process.send([...statuses]);
});

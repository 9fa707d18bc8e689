/** A thread that attacks: what it does with answers must not hold up whoever measures. */

import { parentPort, workerData } from "node:worker_threads";
import { Client } from "./client.mjs";

const { url, host, path, count, seconds } = workerData;
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
parentPort.postMessage(statuses);

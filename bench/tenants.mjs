/**
 * What many idle tenants cost, and how long a client of one that is not open waits for its first answer.
 *
 *     cargo build --release && (cd tests/e2e && npm ci)
 *     PINGTALK_BIN=target/release/pingtalk node bench/tenants.mjs [TENANTS] [COLD]
 *
 * Each tenant runs the application's four components. Figures go into `bench/results.md`.
 */

import { readdirSync } from "node:fs";
import { Client } from "../tests/e2e/client.mjs";
import { startHost } from "../tests/e2e/host.mjs";
import { Operator } from "../tests/e2e/operator.mjs";

const TENANTS = Number(process.argv[2] ?? 1000);
const COLD = Number(process.argv[3] ?? 200);

const host = await startHost();
const operator = new Operator(host);
try {
  const { release } = await operator.do("GET", "/v1/tenants/default");
  const { manifest, components } = await operator.do("GET", `/v1/tenants/default/releases/${release}`);
  const before = await settled();
  const since = performance.now();
  for (let n = 0; n < TENANTS; n += 1) {
    await operator.do("POST", "/v1/tenants", { name: `t${n}`, hosts: [`t${n}.example.org`] });
    await operator.do("POST", `/v1/tenants/t${n}/deployments`, { manifest, components });
  }
  const each = (performance.now() - since) / TENANTS;
  const idle = await settled();
  console.log(`${TENANTS} tenants made and deployed to, ${each.toFixed(1)} ms each`);
  console.log(`memory ${mebibytes(before)} -> ${mebibytes(idle)} MiB: ${kibibytes((idle - before) / TENANTS)} KiB an idle tenant`);
  console.log(`threads ${threads()}`);

  const times = [];
  const warm = [];
  for (let n = 0; n < COLD; n += 1) {
    const tenant = (n * 7) % TENANTS;
    const client = new Client(host.url);
    const options = { headers: { host: `t${tenant}.example.org` } };
    for (const list of [times, warm]) {
      const asked = performance.now();
      const { status } = await client.get("/profile/getProfile", options);
      list.push(performance.now() - asked);
      if (status !== 401) {
        throw new Error(`t${tenant} answers ${status}`);
      }
    }
  }
  const open = await settled();
  console.log(`first request to a cold tenant: p50 ${at(times, 0.5)} ms, p99 ${at(times, 0.99)} ms; the next: p50 ${at(warm, 0.5)} ms`);
  console.log(`memory ${mebibytes(open)} MiB with ${COLD} open: ${kibibytes((open - idle) / COLD)} KiB an open tenant; threads ${threads()}`);
} finally {
  await host.close();
}

/** The host's memory once it has given back what it needed for a moment. */
async function settled() {
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  return (await operator.status()).memory_bytes;
}

function threads() {
  return readdirSync(`/proc/${host.pid}/task`).length;
}

function at(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) * share)].toFixed(1);
}

function mebibytes(bytes) {
  return Math.round(bytes / 1024 / 1024);
}

function kibibytes(bytes) {
  return Math.round(bytes / 1024);
}

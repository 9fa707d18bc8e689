/** Hosts that are killed or stopped and started again, and a Redis that goes away, at random but reproducibly. */

import { setTimeout as pause } from "node:timers/promises";

/**
 * Numbers in [0, 1) that follow from a seed (mulberry32).
 * @param {number} seed
 * @returns {() => number}
 */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * For a while, ends one host after the other; at least one is always left. All run in the end.
 * @param {import("../host.mjs").Host[]} hosts
 * @param {{seconds: number, next: () => number, redis: import("../proxy.mjs").Proxy}} options
 * @returns {Promise<{kills: number, stops: number, outages: number}>}
 */
export async function chaos(hosts, { seconds, next, redis }) {
  const counts = { kills: 0, stops: 0, outages: 0 };
  const deadline = Date.now() + seconds * 1000;
  const changing = new Set();
  const restarts = [];
  const between = (from, to) => (from + next() * (to - from)) * 1000;

  while (Date.now() < deadline) {
    await pause(between(5, 12));
    // The first is always a kill.
    if (counts.kills > 0 && next() < 0.15) {
      counts.outages += 1;
      redis.cut();
      await pause(between(0.5, 4));
      redis.mend();
      continue;
    }
    const running = hosts.filter((host) => !changing.has(host));
    if (running.length < 2) {
      continue;
    }
    const host = running[Math.floor(next() * running.length)];
    const isKill = counts.kills === 0 || next() < 0.6;
    counts[isKill ? "kills" : "stops"] += 1;
    changing.add(host);
    const downtime = between(0.5, 5);
    restarts.push(
      (async () => {
        await (isKill ? host.kill() : host.stop());
        await pause(downtime);
        await host.start();
        changing.delete(host);
      })(),
    );
  }
  await Promise.all(restarts);
  return counts;
}

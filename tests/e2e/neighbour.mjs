/**
 * A well-behaved tenant's client, whose answer times tell what it notices of its neighbours.
 *
 * Quiet and noisy windows take turns, because a machine's own moods last longer than a window: two
 * measurements one after the other differ by half on a machine where nothing happens.
 */

import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";

/** Requests at once, and the pause between two, in milliseconds. */
const CALLERS = 8;
const CALL_EVERY = 15;
/** Addresses of each caller, so that it stays below the request limit of one. */
const ADDRESSES = 8;
/** How long what was begun in one window may still be felt in the next, in milliseconds. */
const SETTLE = 100;

export class Neighbour {
  #person;

  /** @param {import("./client.mjs").Client} person who is signed in */
  constructor(person) {
    this.#person = person;
  }

  /**
   * @param {(seconds: number) => Promise<unknown>} noise goes on for so long, and may end later
   * @param {{rounds: number, seconds: number}} windows of each kind, and how long each is
   * @returns {Promise<{quiet: Times, beside: Times}>} answer times without and beside the noise
   */
  async compare(noise, { rounds, seconds }) {
    const quiet = [];
    const beside = [];
    let window = null;
    let ended = false;
    const call = async (first) => {
      const clients = Array.from({ length: ADDRESSES }, () => this.#person.clone());
      for (let n = first; !ended; n += 1) {
        const begun = window;
        const since = performance.now();
        const { status, body } = await clients[n % ADDRESSES].get("/profile/getProfile");
        // One that was under way at a window's end belongs to neither.
        if (begun === window) {
          begun?.push(performance.now() - since);
        }
        assert.equal(status, 200, JSON.stringify(body));
        await pause(CALL_EVERY);
      }
    };
    const callers = Array.from({ length: CALLERS }, (_, first) => call(first));
    const take = async (times) => {
      await pause(SETTLE);
      window = times;
      await pause(seconds * 1000);
      window = null;
    };
    const rest = async () => {
      for (let round = 0; round < rounds; round += 1) {
        await take(quiet);
        const noisy = noise(seconds + SETTLE / 1000);
        await Promise.race([take(beside), noisy.then(() => new Promise(() => {}))]);
        await noisy;
      }
    };
    // A caller that fails ends it all.
    await Promise.race([rest(), Promise.all(callers)]).finally(() => {
      ended = true;
    });
    await Promise.all(callers);
    return { quiet: new Times(quiet), beside: new Times(beside) };
  }
}

/** Answer times, in milliseconds. */
class Times {
  #sorted;

  constructor(times) {
    this.#sorted = times.sort((a, b) => a - b);
  }

  /** @param {number} share such as 0.99 */
  at(share) {
    return this.#sorted[Math.floor((this.#sorted.length - 1) * share)];
  }
}

/** What changed between two sets of times, in words. */
export function comparison({ quiet, beside }) {
  const ratio = (share) => (beside.at(share) / quiet.at(share)).toFixed(2);
  const change = (share) => `${quiet.at(share).toFixed(1)} -> ${beside.at(share).toFixed(1)} ms (${ratio(share)} times)`;
  return `p50 ${change(0.5)}, p99 ${change(0.99)}`;
}

/**
 * Other users' profiles, fetched when first needed and kept for a while. The server limits how fast
 * profiles can be asked for, so at most a few are fetched at once.
 *
 * @typedef {import("./types.js").Profile} Profile
 */

import { call } from "./api.js";

/** How long a profile is taken as current, in milliseconds. */
const FRESH_FOR = 5 * 60 * 1000;
/** After a failed fetch, ask again only this much later, in milliseconds. */
const RETRY_AFTER = 15 * 1000;
const AT_ONCE = 3;
const KEEP = 500;

export class People extends EventTarget {
  /** @type {Map<string, {profile: Profile | null, until: number}>} */
  #known = new Map();
  /** @type {string[]} */
  #wanted = [];
  /** @type {Set<string>} */
  #fetching = new Set();

  /** @param {Profile} me */
  constructor(me) {
    super();
    this.me = me;
    this.learn(me);
  }

  /**
   * What is known of a user now; asks for more if that is old. A `change` event follows when it arrives.
   * @param {string} userId
   * @returns {Profile | null}
   */
  get(userId) {
    const known = this.#known.get(userId);
    if (!known || known.until < Date.now()) {
      this.#want(userId);
    }
    return known?.profile ?? null;
  }

  /**
   * @param {string} userId
   * @returns {string} a name to show; an ellipsis until it is known
   */
  name(userId) {
    const profile = this.get(userId);
    return profile ? fullName(profile) : "…";
  }

  /**
   * @param {string} userId
   * @returns {string} a name to show in the middle of a sentence
   */
  shortName(userId) {
    return userId === this.me.userId ? "You" : (this.get(userId)?.firstName ?? "…");
  }

  /** @param {Profile} profile */
  learn(profile) {
    this.#keep(profile.userId, profile, FRESH_FOR);
    if (profile.userId === this.me.userId) {
      Object.assign(this.me, profile);
    }
    this.dispatchEvent(new Event("change"));
  }

  /** @param {string} userId */
  #want(userId) {
    if (!this.#fetching.has(userId) && !this.#wanted.includes(userId) && this.#wanted.length < KEEP) {
      this.#wanted.push(userId);
      this.#fetchNext();
    }
  }

  #fetchNext() {
    while (this.#fetching.size < AT_ONCE) {
      const userId = this.#wanted.shift();
      if (userId === undefined) {
        return;
      }
      this.#fetching.add(userId);
      this.#fetch(userId).finally(() => {
        this.#fetching.delete(userId);
        this.#fetchNext();
      });
    }
  }

  /** @param {string} userId */
  async #fetch(userId) {
    try {
      const { data } = await call("GET", `/profile/profile/${encodeURIComponent(userId)}`);
      this.learn(data);
    } catch {
      // A name that can't be had is no reason to disturb anyone; the old one, or the ellipsis, stays.
      this.#keep(userId, this.#known.get(userId)?.profile ?? null, RETRY_AFTER);
    }
  }

  /**
   * @param {string} userId
   * @param {Profile | null} profile
   * @param {number} time
   */
  #keep(userId, profile, time) {
    this.#known.delete(userId);
    this.#known.set(userId, { profile, until: Date.now() + time });
    if (this.#known.size > KEEP) {
      const oldest = this.#known.keys().next().value;
      this.#known.delete(/** @type {string} */ (oldest));
    }
  }
}

/** @param {Profile} profile */
export function fullName(profile) {
  return `${profile.firstName} ${profile.lastName}`.trim();
}

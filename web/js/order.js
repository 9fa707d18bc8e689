/**
 * The order of messages: by sequence number where both have one, else by time.
 *
 * @typedef {import("./types.js").Message} Message
 */

/**
 * @param {Message} a
 * @param {Message} b
 * @returns {number} negative if `a` comes first
 */
export function compare(a, b) {
  if (a.seq !== undefined && b.seq !== undefined) {
    return a.seq - b.seq;
  }
  return a.createdAt.localeCompare(b.createdAt) || a._id.localeCompare(b._id);
}

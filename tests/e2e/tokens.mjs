/** Session tokens made here: to be taken for the service's own, or refused for one fault only. */

import { createHmac } from "node:crypto";
import { SECRET } from "./host.mjs";

const HASHES = { HS256: "sha256", HS384: "sha384" };

/**
 * @param {object} claims
 * @param {{alg?: string, secret?: string}} [options]
 * @returns {string}
 */
export function token(claims, { alg = "HS256", secret = SECRET } = {}) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = `${part({ alg, typ: "JWT" })}.${part(claims)}`;
  const hash = HASHES[alg];
  return `${signed}.${hash ? createHmac(hash, secret).update(signed).digest("base64url") : ""}`;
}

/**
 * @param {string} userId
 * @returns {string} the cookie of a session that the original's auth service might have begun
 */
export function sessionCookie(userId) {
  const now = Math.floor(Date.now() / 1000);
  return `token=${token({ _id: userId, iat: now, exp: now + 3600 })}`;
}

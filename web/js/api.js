/**
 * Calls the services over HTTP. Everything that can go wrong arrives as an `ApiError` whose message
 * can be shown to the user as it is.
 */

/** How often a GET is tried when the server says "later". */
const GET_TRIES = 4;
/** The longest wait between tries, whatever the server asks for, in seconds. */
const LONGEST_WAIT = 5;

/** An answer that is not a success, or none at all (status 0). */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {string} message
   */
  constructor(status, message) {
    super(message);
    this.name = "ApiError";
    this.status = status;
  }
}

/** @type {() => void} */
let sessionEnded = () => {};

/**
 * Names whom to tell when the server no longer knows this session.
 * @param {() => void} listener
 */
export function onSessionEnded(listener) {
  sessionEnded = listener;
}

/**
 * @typedef {object} Options
 * @property {unknown} [json] A body to send as JSON
 * @property {FormData} [form] A body to send as multipart
 * @property {AbortSignal} [signal]
 */

/**
 * @param {"GET" | "POST" | "PUT" | "PATCH" | "DELETE"} method
 * @param {string} path
 * @param {Options} [options]
 * @returns {Promise<any>} the answer's JSON
 */
export async function call(method, path, options = {}) {
  const tries = method === "GET" ? GET_TRIES : 1;
  for (let attempt = 1; ; attempt += 1) {
    const answer = await send(method, path, options);
    if (answer.ok) {
      return answer.body;
    }
    const { status } = answer;
    if (attempt < tries && (status === 429 || status === 503)) {
      const asked = Number(answer.retryAfter) || attempt;
      await pause(Math.min(asked, LONGEST_WAIT) * 1000, options.signal);
      continue;
    }
    const error = new ApiError(status, reason(status, answer.body));
    if (status === 401 && isSessionError(answer.body)) {
      sessionEnded();
    }
    throw error;
  }
}

/**
 * @param {string} method
 * @param {string} path
 * @param {Options} options
 */
async function send(method, path, { json, form, signal }) {
  /** @type {RequestInit} */
  const init = { method, signal, credentials: "same-origin", headers: { Accept: "application/json" } };
  if (form) {
    init.body = form;
  } else if (json !== undefined) {
    init.body = JSON.stringify(json);
    init.headers = { ...init.headers, "Content-Type": "application/json" };
  }
  let response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    if (signal?.aborted) {
      throw error;
    }
    throw new ApiError(0, "The server can't be reached.");
  }
  const isJson = response.headers.get("Content-Type")?.startsWith("application/json");
  const body = isJson ? await response.json().catch(() => null) : null;
  return { ok: response.ok, status: response.status, retryAfter: response.headers.get("Retry-After"), body };
}

/**
 * @param {number} status
 * @param {any} body
 */
function reason(status, body) {
  const given = body?.message ?? body?.error;
  if (typeof given === "string" && given !== "") {
    return given;
  }
  return status === 413 ? "That is too large." : `The server answered with an error (${status}).`;
}

/**
 * Whether a 401 is about the session, rather than about a password typed into a form.
 * @param {any} body
 */
function isSessionError(body) {
  return typeof body?.error === "string" || /^token expired/i.test(body?.message ?? "");
}

/**
 * @param {number} milliseconds
 * @param {AbortSignal} [signal]
 * @returns {Promise<void>}
 */
export function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        reject(signal.reason);
      },
      { once: true },
    );
  });
}

/** Calls the admin API. The token lives in this tab only, and never in a URL. */

const KEY = "pingtalk-admin-token";

/** A refusal, or no answer at all (status 0). Its message can be shown as it is. */
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

export const token = {
  get: () => sessionStorage.getItem(KEY),
  /** @param {string} value */
  set: (value) => sessionStorage.setItem(KEY, value),
  forget: () => sessionStorage.removeItem(KEY),
};

/** How long a look may take; a deployment may compile. */
const LOOK_BOUND = 10_000;
const CHANGE_BOUND = 600_000;

/**
 * @param {string} method
 * @param {string} path
 * @param {unknown} [json]
 * @returns {Promise<any>} the answer's JSON; null without one
 */
export async function call(method, path, json) {
  const bound = method === "GET" ? LOOK_BOUND : CHANGE_BOUND;
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: { authorization: `Bearer ${token.get() ?? ""}`, ...(json && { "content-type": "application/json" }) },
      body: json && JSON.stringify(json),
      signal: AbortSignal.timeout(bound),
    });
  } catch {
    throw new ApiError(0, "The host does not answer.");
  }
  const text = await response.text();
  if (!response.ok) {
    throw new ApiError(response.status, refusal(response.status, text));
  }
  return text ? JSON.parse(text) : null;
}

/**
 * Whether the host has a component.
 * @param {string} digest
 */
export async function hasArtifact(digest) {
  try {
    await call("HEAD", `/v1/artifacts/${digest}`);
    return true;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) {
      return false;
    }
    throw error;
  }
}

/**
 * Uploads a component. Only XMLHttpRequest tells how far it is.
 * @param {string} digest
 * @param {ArrayBuffer} bytes
 * @param {(share: number) => void} progress
 * @returns {Promise<void>}
 */
export function putArtifact(digest, bytes, progress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("PUT", `/v1/artifacts/${digest}`);
    request.setRequestHeader("authorization", `Bearer ${token.get() ?? ""}`);
    request.setRequestHeader("content-type", "application/wasm");
    request.upload.addEventListener("progress", ({ loaded }) => progress(loaded / bytes.byteLength));
    request.addEventListener("error", () => reject(new ApiError(0, "The upload broke off.")));
    request.addEventListener("load", () => {
      if (request.status >= 200 && request.status < 300) {
        resolve();
      } else {
        reject(new ApiError(request.status, refusal(request.status, request.responseText)));
      }
    });
    request.send(bytes);
  });
}

/**
 * @param {number} status
 * @param {string} text
 * @returns {string} what the host said, and which field it is about
 */
function refusal(status, text) {
  try {
    const { message, field } = JSON.parse(text).error;
    return field && !message.includes(field) ? `${message} (${field})` : message;
  } catch {
    return `The host answers ${status}.`;
  }
}

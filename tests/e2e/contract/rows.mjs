/**
 * The contract as tables: each row is one call, its status, and its body.
 *
 * @typedef {import("../client.mjs").Answer} Answer
 * @typedef {string | RegExp | ((body: any, answer: Answer) => void) | object} Expected
 *   text: `{"message": text}` exactly; a pattern: the message matches; a function checks; else the body exactly
 * @typedef {[string, () => Promise<Answer>, number, Expected]} Row
 */

import assert from "node:assert/strict";
import { it } from "node:test";

/**
 * One test for each row.
 * @param {Row[]} rows
 */
export function rows(rows) {
  for (const [name, call, status, expected] of rows) {
    it(name, async () => expectAnswer(await call(), status, expected));
  }
}

/**
 * @param {Answer} answer
 * @param {number} status
 * @param {Expected} expected
 * @returns {any} the body
 */
export function expectAnswer(answer, status, expected) {
  const got = `${answer.status} ${answer.bytes.toString("utf8", 0, 400)}`;
  assert.equal(answer.status, status, got);
  if (typeof expected === "string") {
    assert.deepEqual(answer.body, { message: expected }, got);
  } else if (expected instanceof RegExp) {
    assert.match(String(answer.body.message), expected, got);
    assert.doesNotMatch(got, /stack|\bat \w+\.|panicked|wasm/i, "an error tells nothing of the inside");
  } else if (typeof expected === "function") {
    expected(answer.body, answer);
  } else {
    assert.deepEqual(answer.body, expected, got);
  }
  return answer.body;
}

/** Whatever the service calls it, an error a client caused has a message. */
export const SOME_MESSAGE = /./;

export const ID = /^[0-9a-f]{24}$/;
export const DATE = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
/** An id nobody has. */
export const NO_ONE = "0123456789abcdef01234567";

/** @param {any} document what every stored document has */
export function expectDocument(document) {
  assert.match(document._id, ID);
  assert.match(document.createdAt, DATE);
  assert.match(document.updatedAt, DATE);
}

/**
 * @param {{[name: string]: string}} texts
 * @param {{field?: string, name: string, type: string, bytes: Buffer}} [file]
 * @returns {FormData}
 */
export function formOf(texts, file) {
  const form = new FormData();
  for (const [name, value] of Object.entries(texts)) {
    form.append(name, value);
  }
  if (file) {
    form.append(file.field ?? "file", new Blob([file.bytes], { type: file.type }), file.name);
  }
  return form;
}

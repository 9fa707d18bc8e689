/**
 * The same components under `spin up`: the HTTP contract, the Socket.IO client's tests, and what a
 * crash leaves. Left out where there is no `spin` (see spin.mjs).
 */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, describe, it } from "node:test";
import { SECRET } from "./host.mjs";
import { SPIN, Spin } from "./spin.mjs";

/** For the longest of the suites, some five times what it takes. */
const SUITE_BOUND = 400_000;
/** The least that a suite has: one that runs nothing has not passed. */
const LEAST = { "contract.test.mjs": 250, "socketio.test.mjs": 30 };

describe("under spin up", { skip: !SPIN && "no spin on the PATH, and SPIN is not set", timeout: 900_000 }, () => {
  const spin = new Spin();
  before(() => spin.start());
  after(() => spin.close());

  for (const [suite, least] of Object.entries(LEAST)) {
    it(`passes ${suite}`, { timeout: SUITE_BOUND }, async () => {
      const { code, output } = await run(suite);
      const passed = Number(/^# pass (\d+)$/m.exec(output)?.[1]);
      assert.equal(code, 0, failures(output));
      assert.ok(passed >= least, `${passed} passed`);
    });
  }

  it("keeps after a crash what it acknowledged", { timeout: SUITE_BOUND }, async () => {
    const people = [];
    for (let n = 0; n < 10; n++) {
      people.push(await signUp(`crash-${n}@example.com`));
    }
    await spin.kill();
    await spin.start();
    for (const cookie of people) {
      const answer = await fetch(`${spin.url}/profile/getProfile`, { headers: { cookie } });
      assert.equal(answer.status, 200, await answer.text());
    }
  });

  /** Signs up, again while the rate limit says to wait; the session's cookie. */
  async function signUp(emailId) {
    const person = { firstName: "Ada", lastName: "Love", emailId, password: "Str0ng!Passw0rd" };
    for (;;) {
      const answer = await fetch(`${spin.url}/auth/signup`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(person),
      });
      if (answer.status === 201) {
        return answer.headers.getSetCookie()[0].split(";")[0];
      }
      assert.equal(answer.status, 429, await answer.text());
      await new Promise((done) => setTimeout(done, 1_000 * Number(answer.headers.get("retry-after"))));
    }
  }

  /** Runs a suite against it, in a process of its own. */
  async function run(suite) {
    // Without this it would take itself for a part of this test.
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const child = spawn(process.execPath, ["--test", "--test-reporter=tap", "--test-force-exit", suite], {
      cwd: import.meta.dirname,
      env: { ...env, BASE_URL: spin.url, JWT_SECRET: SECRET, ON_SPIN: "1" },
      stdio: ["ignore", "pipe", "inherit"],
      timeout: SUITE_BOUND,
    });
    let output = "";
    child.stdout.on("data", (data) => (output += data));
    const [code] = await once(child, "close");
    return { code, output };
  }
});

/** The lines that tell what failed, and why. */
function failures(output) {
  const telling = /^\s*(not ok|error:|expected:|actual:)/;
  return output.split("\n").filter((line) => telling.test(line)).slice(0, 60).join("\n");
}

/**
 * A hostile tenant beside a well-behaved one. Each thing it does has its expected end, costs the
 * neighbour little, and shows in the offender's figures.
 *
 * What the neighbour notices is a ratio of two measurements in the same run, in windows that take turns;
 * `HOSTILE_ROUNDS` (3) makes it more certain.
 */

import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Client, eventually } from "./client.mjs";
import { BINARY, startHost } from "./host.mjs";
import { comparison, Neighbour } from "./neighbour.mjs";
import { Operator } from "./operator.mjs";
import { profileExists, signUp } from "./people.mjs";
import { sessionCookie } from "./tokens.mjs";

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const EVIL = "evil.example.org";
const WINDOWS = { rounds: Number(process.env.HOSTILE_ROUNDS ?? 3), seconds: 1 };
/** Requests of the hostile tenant's clients at once. */
const ATTACKERS = 6;
/** A hostile tenant's answers may take their time. */
const ATTACK_BOUND = 60_000;
/**
 * By how much the neighbour's p99 may move. The aim is 1.2, which takes more windows to tell from chance
 * than there is time for here (bench/results.md).
 */
const MOST = 1.5;
/** While something is compiled, which has the kernel itself work for it (decision 0015). */
const MOST_COMPILING = 3;
/** Chance may be against it so many times less one. */
const TRIES = 3;

/** That compiling may take: our own services are in the cache. */
const COMPILE_SECONDS = 5;
/** Beyond its requests a second it is refused at the door, whatever it does. */
const TOO_MANY = 429;

/**
 * What it does, the answers it may get, and the figure in which it shows. Whatever it does, it may have to
 * wait for CPU time that it owes, and miss its deadline (504).
 */
const DEEDS = [
  ["computes for ever", "/loop", [500, 503, 504], "cpu_seconds"],
  ["computes and gives way", "/yield-loop", [500, 503, 504], "cpu_seconds"],
  ["allocates for ever", "/allocate", [500, 503, 504], "failed"],
  ["calls itself for ever", "/recurse?1000000000", [500, 503, 504], "failed"],
  ["opens handles for ever", "/flood", [500, 503, 504], "failed"],
  ["calls the host for ever", "/cache-flood?100000000", [503, 504], "host_calls"],
  ["logs for ever", "/log?100000", [200, 503, 504], "calls"],
  ["makes endless headers", "/headers", [200, 503, 504, "Parse Error: Header overflow"], "calls"],
  ["hands over giant strings", "/commit?60000000", [200, 500, 503, 504], "calls"],
  ["asks for what it must not reach", "/fetch?http://169.254.169.254/", [200, 503, 504], "calls"],
  ["sends large responses", "/big?20000000", [200, 503, 504, "aborted"], "calls"],
  ["never answers", "/never", [503, 504], "deadline_exceeded"],
  ["stops in the middle of an answer", "/stall", [503, 504, "aborted"], "calls"],
  ["traps", "/trap", [500, 503, 504], "failed"],
];

const MANIFEST = `
spin_manifest_version = 2

[application]
name = "evil"
version = "1.0.0"

[[application.tool.pingtalk.collections]]
database = "db"
name = "things"

[[application.tool.pingtalk.collections]]
database = "authDB"
name = "auths"

[[trigger.http]]
route = "/..."
component = "probe"

[component.probe]
source = "probe.wasm"
allowed_outbound_hosts = ["http://*:*", "https://*:*"]

[component.probe.tool.pingtalk]
documents = ["db.things:write", "authDB.auths:read"]
cache = ["flood:"]
blobs = ["files"]
sockets = { serve = true, emit = true }
budgets = { wall_time = "1s" }
`;

describe("a hostile tenant", { skip: BINARY ? false : "needs PINGTALK_BIN", timeout: 600_000 }, () => {
  let host;
  let operator;
  let probe;
  let neighbour;
  let attacker;

  before(async () => {
    host = await startHost({ env: { PINGTALK_COMPILE_TIME: `${COMPILE_SECONDS}` } });
    operator = new Operator(host);
    neighbour = await signUp(host.url);
    await profileExists(neighbour);
    attacker = fork(new URL("attacker.mjs", import.meta.url));
    probe = await operator.upload(readFileSync(resolve(ROOT, "target/wasm32-wasip2/component/guest_probe.wasm")));
    await operator.do("POST", "/v1/tenants", { name: "evil", hosts: [EVIL] });
    await operator.do("POST", "/v1/tenants/evil/deployments", { manifest: MANIFEST, components: { probe } });
    assert.equal((await ask("/hello")).status, 200);
  });
  after(async () => {
    attacker?.kill();
    await host?.close();
  });

  function ask(path, options = {}) {
    return new Client(host.url).get(path, { headers: { host: EVIL }, ...options });
  }

  /** @returns {Promise<[number | string, number][]>} how often each status came */
  async function attack(path, seconds) {
    attacker.send({ url: host.url, host: EVIL, path, count: ATTACKERS, seconds });
    const [statuses] = await once(attacker, "message", { signal: AbortSignal.timeout(ATTACK_BOUND) });
    return statuses;
  }

  /** Something goes on beside the neighbour, which notices little of it. */
  async function expectUnnoticed(test, noise, most = MOST) {
    for (let attempt = 1; ; attempt += 1) {
      const times = await new Neighbour(neighbour).compare(noise, WINDOWS);
      test.diagnostic(`the neighbour's ${comparison(times)}`);
      const ratio = times.beside.at(0.99) / times.quiet.at(0.99);
      if (ratio <= most) {
        return;
      }
      assert.ok(attempt < TRIES, `the neighbour's p99 is ${ratio.toFixed(2)} times what it was`);
    }
  }

  async function figure(name) {
    const evil = (await operator.status()).tenants.find((tenant) => tenant.name === "evil");
    return evil.components[0][name];
  }

  for (const [does, path, expected, shows] of DEEDS) {
    it(`${does} at its own cost`, async (test) => {
      const before = await figure(shows);
      const answers = new Map();
      await expectUnnoticed(test, async (seconds) => {
        for (const [status, count] of await attack(path, seconds)) {
          answers.set(status, (answers.get(status) ?? 0) + count);
        }
      });
      const shown = [...answers].map(([status, count]) => `${count} × ${status}`).join(", ");
      test.diagnostic(shown);
      assert.ok([...answers.keys()].every((status) => [...expected, TOO_MANY].includes(status)), `${path}: ${shown}`);
      assert.ok((await figure(shows)) > before, `${shows} did not grow`);
      await eventually(async () => assert.equal((await ask("/hello")).status, 200, "it works again"));
    });
  }

  it("finds nothing of its neighbour's under the names it guesses", async () => {
    assert.match((await ask("/find-in?authDB.auths")).body, /^0 found/, "its own collection of that name");
    for (const guess of ["default/authDB.auths", "../authDB.auths", "chatDB.messages", "control.tenants"]) {
      assert.match((await ask(`/find-in?${guess}`)).body, /Denied|Invalid/, guess);
    }
    // A session of one tenant is nothing to another: theirs are signed with other secrets.
    const { status } = await neighbour.clone().get("/profile/getProfile", { headers: { host: EVIL } });
    assert.notEqual(status, 401, "the probe has no such route");
    assert.equal((await new Client(host.url).get("/profile/getProfile")).status, 401);
  });

  it("reaches neither the host's network nor a metadata service", async () => {
    const targets = ["169.254.169.254/latest/meta-data/", `127.0.0.1:${host.port}/health`, "10.0.0.1/", "[::1]/"];
    for (const target of [...targets, `localhost:${host.port}/health`, "metadata.google.internal/"]) {
      const { body } = await ask(`/fetch?http://${target}`);
      assert.doesNotMatch(body, /^[1-5]\d\d /, `${target}: ${body}`);
    }
    const named = MANIFEST.replace('["http://*:*", "https://*:*"]', `["http://127.0.0.1:${host.port}"]`);
    const { status, text } = await operator.call("POST", "/v1/tenants/evil/deployments", {
      json: { manifest: named, components: { probe } },
    });
    assert.equal(status, 403, text);
  });

  it("can't import what it was not granted", async () => {
    const less = MANIFEST.replace(/^cache = .*$/m, "");
    const { status, text } = await operator.call("POST", "/v1/tenants/evil/deployments", {
      json: { manifest: less, components: { probe } },
    });
    assert.equal(status, 422, text);
    assert.match(text, /cache/);
  });

  it("can't ask for more than the operator gives", async () => {
    const greedy = MANIFEST.replace('wall_time = "1s"', 'wall_time = "1s", memory = "512MiB"');
    const { status, text } = await operator.call("POST", "/v1/tenants/evil/deployments", {
      json: { manifest: greedy, components: { probe } },
    });
    assert.equal(status, 403, text);
    assert.match(text, /budget `memory` asks for 536870912 bytes/);
  });

  it("can't deploy what does not start, whatever it does instead", async () => {
    const manifest = `${MANIFEST}\n[component.late]\nsource = "late.wasm"\n[component.late.tool.pingtalk]\nbudgets = { cpu_time = "500ms" }\n`;
    for (const [name, reason] of [
      ["trap-at-start", /unreachable/],
      ["loop-at-start", /it computed for 500ms without giving way/],
      ["memory-at-start", /memory/],
      ["table-at-start", /table/],
      ["huge-table", /table/],
      ["many-tables", /table/],
    ]) {
      const file = resolve(ROOT, `target/wasm32-wasip2/component/text/${name}.wasm`);
      const late = await operator.upload(readFileSync(file));
      const { status, text } = await operator.call("POST", "/v1/tenants/evil/deployments", {
        json: { manifest, components: { probe, late } },
      });
      assert.equal(status, 422, `${name}: ${text}`);
      assert.match(text, reason, name);
    }
    assert.equal((await ask("/hello")).status, 200, "the release before is in force");
  });

  it("stores no more than it may, and frees what it removes", async () => {
    await operator.do("PATCH", "/v1/tenants/evil", { budgets: { stored_documents: 5 } });
    const answers = [];
    for (let n = 0; n < 8; n += 1) {
      answers.push((await ask(`/store?${n}`)).body);
    }
    assert.equal(answers.filter((answer) => answer === "stored").length, 5, answers.join());
    assert.ok(answers.slice(5).every((answer) => answer.includes("QuotaExceeded")), answers.join());
    const evil = (await operator.status()).tenants.find((tenant) => tenant.name === "evil");
    assert.equal(evil.stored_documents, 5);
    assert.equal((await ask("/remove?0")).body, "removed 1");
    await pause(1_100);
    assert.equal((await ask("/store?9")).body, "stored");
    await operator.do("PATCH", "/v1/tenants/evil", { budgets: { stored_documents: null } });
  });

  it("can't deploy what is no component, or more than there may be", async () => {
    const junk = await operator.upload(Buffer.from("\0asm junk that is no component"));
    const { status, text } = await operator.call("POST", "/v1/tenants/evil/deployments", {
      json: { components: { probe: junk } },
    });
    assert.equal(status, 422, text);
    assert.equal((await ask("/hello")).status, 200, "the release before is in force");
  });

  it("can't hold up others with a component that compiles for ever", async (test) => {
    const endless = await operator.upload(slowToCompile(650_000));
    const deploy = async () => {
      const { status, text } = await operator.call("POST", "/v1/tenants/evil/deployments", {
        json: { components: { probe: endless } },
      });
      assert.equal(status, 422, text);
      // Whichever of the compiler's bounds it meets first.
      assert.match(text, /it took longer than \d+s to compile|memory allocation of \d+ bytes failed/);
    };
    await expectUnnoticed(test, deploy, MOST_COMPILING);
    assert.equal((await ask("/hello")).status, 200, "the release before is in force");
  });

  it("is refused at the door beyond its requests a second, and nobody else is", async () => {
    await operator.do("PATCH", "/v1/tenants/evil", { budgets: { requests_per_second: 20 } });
    const timed = async () => {
      const since = performance.now();
      const answer = await ask("/hello");
      return { ...answer, took: performance.now() - since };
    };
    const answers = await Promise.all(Array.from({ length: 60 }, timed));
    const refused = answers.filter(({ status }) => status === 429);
    assert.ok(refused.length >= 30, `${refused.length} of 60 refused`);
    assert.ok(refused.every(({ headers }) => Number(headers["retry-after"]) > 0));
    assert.ok(refused.every(({ took }) => took >= 90), "who tries again at once is slowed down");
    assert.equal((await neighbour.clone().get("/profile/getProfile")).status, 200);
  });

  it("takes headers and bodies within bounds only", async () => {
    await operator.do("PATCH", "/v1/tenants/evil", { budgets: { requests_per_second: null } });
    const long = { host: EVIL, "x-long": "x".repeat(40_000) };
    assert.equal((await ask("/hello", { headers: long })).status, 431);
    assert.equal((await new Client(host.url).post("/count", undefined, { headers: { host: EVIL }, body: "x".repeat(2_000_000) })).status, 413);
    assert.equal((await ask(`/${"x".repeat(9_000)}`)).status, 414);
    const forged = new Client(host.url);
    forged.cookie = sessionCookie("0123456789abcdef01234567");
    assert.equal((await forged.get("/hello", { headers: { host: EVIL } })).status, 200);
  });
});

/** Functions of it: together somewhat less than a component may have, in bytes. */
const FUNCTIONS = 4;

/**
 * A component of one core module whose functions are of so many multiplications, each of which needs
 * the one before; a function may have some seven million bytes. (Binary formats: WebAssembly core 1.0, section 5; component model, Binary.md.)
 * @param {number} count
 */
function slowToCompile(count) {
  const leb = (number) => {
    const bytes = [];
    for (let left = number; ; left >>>= 7) {
      bytes.push(left > 127 ? (left & 127) | 128 : left);
      if (left <= 127) {
        return Buffer.from(bytes);
      }
    }
  };
  const section = (id, content) => Buffer.concat([Buffer.from([id]), leb(content.length), content]);
  // local.get 0, local.get 1, i32.mul, local.set 0, local.get 0, local.set 1
  const step = Buffer.from([0x20, 0, 0x20, 1, 0x6c, 0x21, 0, 0x20, 0, 0x21, 1]);
  const steps = Buffer.alloc(step.length * count, step);
  // No local but the two parameters, which nothing is known of; the steps, local.get 0, end.
  const body = Buffer.concat([Buffer.from([0]), steps, Buffer.from([0x20, 0, 0x0b])]);
  const module = Buffer.concat([
    Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]),
    section(1, Buffer.from([1, 0x60, 2, 0x7f, 0x7f, 1, 0x7f])),
    section(3, Buffer.concat([leb(FUNCTIONS), Buffer.alloc(FUNCTIONS)])),
    section(10, Buffer.concat([leb(FUNCTIONS), ...Array.from({ length: FUNCTIONS }, () => [leb(body.length), body]).flat()])),
  ]);
  return Buffer.concat([Buffer.from([0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0]), section(1, module)]);
}

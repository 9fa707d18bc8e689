/**
 * Fifty switches in a row while people talk: no request fails, no socket drops, no message is lost or
 * comes out of order, and what the old releases held is given back.
 */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { eventually } from "./client.mjs";
import { BINARY, startHost } from "./host.mjs";
import { component, Operator, variant } from "./operator.mjs";
import { connect, groupChat, profileExists, signUp } from "./people.mjs";
import { Sockets } from "./sockets.mjs";

const SWAPS = 50;
/** Components that differ, which the switches go round. */
const VARIANTS = 5;
const GROUPS = 4;
const MEMBERS = 5;
/** Sockets of each member: 500 in all. */
const SOCKETS_EACH = 25;
/** Between two messages of a group, in milliseconds. */
const MESSAGE_EVERY = 250;
/** Loops of requests at once, and the pause between two of one loop, in milliseconds. */
const CALLERS = 6;
const CALL_EVERY = 20;

describe("switching releases under load", { skip: BINARY ? false : "needs PINGTALK_BIN", timeout: 600_000 }, () => {
  let host;
  let operator;
  /** @type {Sockets} */
  let sockets;
  /** @type {{chatId: string, users: any[], receivers: {seqs: number[], drops: string[], socket: any}[]}[]} */
  const groups = [];
  /** Digests of the variants. @type {string[]} */
  const digests = [];

  before(async () => {
    host = await startHost();
    operator = new Operator(host);
    sockets = new Sockets(host.url);
    for (let group = 0; group < GROUPS; group += 1) {
      const users = [];
      for (let member = 0; member < MEMBERS; member += 1) {
        users.push(await signUp(host.url));
      }
      await Promise.all(users.map(profileExists));
      const [creator, ...others] = users;
      for (const other of others) {
        await connect(creator, other);
      }
      const chatId = (await groupChat(creator, others))._id;
      const receivers = [];
      for (const user of users) {
        for (let n = 0; n < SOCKETS_EACH; n += 1) {
          receivers.push(await listen(user, chatId));
        }
      }
      groups.push({ chatId, users, receivers });
    }
    const chat = component("chat");
    for (let mark = 0; mark < VARIANTS; mark += 1) {
      digests.push(await operator.upload(variant(chat, mark)));
    }
    // Compiled once, before anything is measured.
    for (const digest of digests) {
      await deploy(digest);
    }
  });
  after(async () => {
    sockets?.closeAll();
    await host?.close();
  });

  async function listen(user, chatId) {
    const receiver = { seqs: [], drops: [], socket: null };
    const { socket } = await sockets.connect(user, { transports: ["websocket"], localAddress: user.address });
    socket.on("receiveMessage", ({ seq }) => receiver.seqs.push(seq));
    socket.on("disconnect", (reason) => receiver.drops.push(reason));
    const answer = await socket.timeout(15_000).emitWithAck("joinChat", { chatId });
    assert.equal(answer.ok, true, JSON.stringify(answer));
    receiver.socket = socket;
    return receiver;
  }

  async function deploy(digest) {
    const report = await operator.do("POST", "/v1/tenants/default/deployments", { components: { chat: digest } });
    assert.equal(report.deployed, true, JSON.stringify(report));
  }

  it(`${SWAPS} times with ${GROUPS * MEMBERS * SOCKETS_EACH} sockets`, async (test) => {
    const ending = new AbortController();
    const latencies = { quiet: [], switching: [] };
    let phase = "quiet";
    const sent = await new Promise((resolve, reject) => {
      const talkers = groups.map((group) => talk(group, ending.signal));
      const callers = Array.from({ length: CALLERS }, (_, n) => call(n, ending.signal, (ms) => latencies[phase].push(ms)));
      const work = (async () => {
        await pause(5_000);
        const before = await operator.status();
        phase = "switching";
        const took = [];
        for (let n = 0; n < SWAPS; n += 1) {
          const since = performance.now();
          await deploy(digests[n % VARIANTS]);
          took.push(performance.now() - since);
        }
        phase = "quiet";
        return { took, before };
      })();
      work.then(
        async (done) => {
          ending.abort();
          resolve({ ...done, counts: await Promise.all(talkers), calls: await Promise.all(callers) });
        },
        (error) => {
          ending.abort();
          reject(error);
        },
      );
      Promise.all([...talkers, ...callers]).catch(reject);
    });

    for (const [at, { receivers }] of groups.entries()) {
      const expected = Array.from({ length: sent.counts[at] }, (_, n) => n + 1);
      await eventually(async () => {
        assert.ok(receivers.every(({ seqs }) => seqs.length >= expected.length), "everybody has every message");
      });
      for (const { seqs, drops, socket } of receivers) {
        assert.deepEqual(drops, [], "no socket dropped");
        assert.ok(socket.connected);
        assert.deepEqual(seqs, expected, "each message once, in order");
      }
    }
    const after = await eventually(async () => {
      const status = await operator.status();
      const releases = new Set(status.tenants[0].components.map(({ release }) => release));
      assert.equal(releases.size, 1, "the old releases are gone");
      // What fifty releases leave behind would be several times as much.
      const [grown, allowed] = [status.memory_bytes - sent.before.memory_bytes, sent.before.memory_bytes / 2];
      assert.ok(grown < allowed, `memory grew by ${mebibytes(grown)} MiB in ${SWAPS} switches`);
      return status;
    });
    const calls = sent.calls.reduce((sum, count) => sum + count, 0);
    const messages = sent.counts.reduce((sum, count) => sum + count, 0);
    assert.ok(calls > 500 && messages > 50, `${calls} calls, ${messages} messages`);
    test.diagnostic(
      `${SWAPS} switches: p50 ${at(sent.took, 0.5)} ms, p99 ${at(sent.took, 0.99)} ms each; ${calls} requests, none failed: ` +
        `p50 ${at(latencies.quiet, 0.5)} ms, p99 ${at(latencies.quiet, 0.99)} ms without and ` +
        `p50 ${at(latencies.switching, 0.5)} ms, p99 ${at(latencies.switching, 0.99)} ms while switching; ` +
        `${messages} messages to 125 sockets each; ` +
        `memory ${mebibytes(sent.before.memory_bytes)} MiB before, ${mebibytes(after.memory_bytes)} MiB after`,
    );
  });

  /** One member after the other says something; each message is acknowledged before the next. */
  async function talk({ chatId, receivers }, ending) {
    let count = 0;
    while (!ending.aborted) {
      const { socket } = receivers[(count * 7) % receivers.length];
      const answer = await socket.timeout(15_000).emitWithAck("sendMessage", { chatId, text: `${count}` });
      assert.equal(answer.ok, true, JSON.stringify(answer));
      count += 1;
      await pause(MESSAGE_EVERY);
    }
    return count;
  }

  /** Requests to two services, one after the other. */
  async function call(which, ending, note) {
    const { users } = groups[which % GROUPS];
    // Several addresses, each of which may ask ten times a second.
    const clients = Array.from({ length: 8 }, () => users[which % MEMBERS].clone());
    let count = 0;
    while (!ending.aborted) {
      const path = count % 2 === 0 ? "/chat/my-chats" : "/profile/getProfile";
      const since = performance.now();
      const { status, body } = await clients[count % clients.length].get(path);
      note(performance.now() - since);
      assert.equal(status, 200, `${path}: ${JSON.stringify(body)}`);
      count += 1;
      await pause(CALL_EVERY);
    }
    return count;
  }
});

function at(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return Math.round(sorted[Math.floor((sorted.length - 1) * share)] * 10) / 10;
}

function mebibytes(bytes) {
  return Math.round(bytes / 1024 / 1024);
}

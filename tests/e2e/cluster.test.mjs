/**
 * Three hosts behind a load balancer, 300 clients in 30 groups, hosts killed and restarted at random for
 * two minutes: every client ends with the same ordered history, with nothing acknowledged missing.
 *
 * `CHAOS_SECONDS`, `CHAOS_SEED` and `CHAOS_RATE` (messages a second) make it longer, the same again, or
 * busier: the default suits a server that scans where MongoDB uses an index.
 */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { Backends } from "./backends.mjs";
import { eventually } from "./client.mjs";
import { Balancer } from "./cluster/balancer.mjs";
import { chaos, random } from "./cluster/chaos.mjs";
import { Member, sentAt } from "./cluster/member.mjs";
import { wholeHistory } from "./history.mjs";
import { newHost } from "./host.mjs";
import * as original from "./original.mjs";
import { CANT_RUN } from "./servers.mjs";

const USERS = 60;
const GROUPS = 30;
/** Groups of each user, who has a client for each. */
const GROUPS_EACH = 5;
const SECONDS = Number(process.env.CHAOS_SECONDS ?? 120);
const RATE = Number(process.env.CHAOS_RATE ?? 1);
const SEED = Number(process.env.CHAOS_SEED ?? Math.floor(Math.random() * 2 ** 32));
/** For everybody to have everything once the hosts are left alone. */
const SETTLE_BOUND = 120_000;

describe("a cluster of three hosts", { skip: CANT_RUN, timeout: 900_000 }, () => {
  const backends = new Backends("cluster", "e2e-3");
  const next = random(SEED);
  /** @type {import("./host.mjs").Host[]} */
  let hosts = [];
  let balancer;
  /** @type {Member[]} */
  let members = [];

  before(async () => {
    await backends.start();
    hosts = await Promise.all(
      ["127.0.0.1", "127.0.0.2", "127.0.0.3"].map((address) => newHost({ address, env: backends.env })),
    );
    // One compiles, the others find it done.
    for (const host of hosts) {
      await host.start();
    }
    balancer = new Balancer(hosts);
    await balancer.start();
    members = await gather();
  });
  after(async () => {
    members.forEach((member) => member.close());
    await balancer?.close();
    await Promise.all(hosts.map((host) => host.close()));
    await backends.close();
  });

  /** Users and connections as the original left them, groups made by us, a client for each user and group. */
  async function gather() {
    const accounts = Array.from({ length: USERS }, () => original.account());
    const users = accounts.map((account) => {
      const client = original.clientOf(balancer.url, account);
      return { id: client.id, cookie: client.cookie, address: client.address, client };
    });
    const groups = Array.from({ length: GROUPS }, (_, group) =>
      // Spread so that users meet different people in each of their groups.
      accounts
        .map((_, user) => user)
        .filter((user) => Array.from({ length: GROUPS_EACH }, (_, n) => (user + 7 * n) % GROUPS).includes(group)),
    );
    const pairs = new Map();
    for (const [creator, ...others] of groups) {
      others.forEach((other) =>
        pairs.set(`${creator} ${other}`, original.connection(accounts[creator], accounts[other])),
      );
    }
    await backends.collection("authDB.auths").insertMany(accounts);
    await backends.collection("chatDB.connections").insertMany([...pairs.values()]);
    const all = [];
    for (const [creator, ...others] of groups) {
      const participants = others.map((other) => users[other].id);
      const { status, body } = await users[creator].client.post("/chat/create-group", { name: "Group", participants });
      assert.equal(status, 201, JSON.stringify(body));
      [creator, ...others].forEach((user) => all.push(new Member(balancer.url, users[user], body._id)));
    }
    return all;
  }

  it(`keeps ${USERS * GROUPS_EACH} clients' histories whole over kills and restarts (CHAOS_SEED=${SEED})`, async (test) => {
    assert.equal(members.length, USERS * GROUPS_EACH);
    for (const member of members) {
      member.connect();
    }
    await eventually(async () => assert.ok(members.every(({ socket }) => socket.connected)), 60_000);
    const { spread } = balancer;
    assert.ok(
      spread.every((count) => count > 0),
      `all hosts have clients: ${spread}`,
    );

    const talking = new AbortController();
    const talk = (async () => {
      while (!talking.signal.aborted) {
        members[Math.floor(next() * members.length)].say();
        await pause(1000 / RATE);
      }
    })();
    let counts;
    try {
      counts = await chaos(hosts, { seconds: SECONDS, next: random(SEED + 1), redis: backends.network.redis });
    } finally {
      talking.abort();
      await talk;
    }

    await eventually(async () => {
      const waiting = members.reduce((sum, member) => sum + member.waiting, 0);
      assert.equal(waiting, 0, "messages without an acknowledgement");
    }, SETTLE_BOUND).catch((error) => {
      report(test, counts);
      throw error;
    });
    const histories = new Map();
    for (const { chatId, user } of members) {
      if (!histories.has(chatId)) {
        histories.set(chatId, await wholeHistory(user.client, chatId));
      }
    }
    await eventually(async () => {
      const behind = members.filter(({ chatId, contiguousTo }) => contiguousTo < histories.get(chatId).length);
      const first = behind[0] && `${behind[0].contiguousTo} of ${histories.get(behind[0].chatId).length}`;
      assert.equal(behind.length, 0, `clients that lack messages, the first has ${first}`);
    }, SETTLE_BOUND);

    report(test, counts);
    const faults = members.flatMap((member) => member.faults);
    assert.deepEqual(faults.slice(0, 10), [], `${faults.length} faults`);
    for (const [chatId, history] of histories) {
      check(chatId, history);
    }
    assert.ok(counts.kills > 0, "no host was killed");
    assert.ok(
      members.some(({ figures }) => figures.reconnects > 0),
      "nobody had to reconnect",
    );
  });

  /** One group's history against what its clients have, and were promised. */
  function check(chatId, history) {
    const own = members.filter((member) => member.chatId === chatId);
    assert.deepEqual(
      history.map(({ seq }) => seq),
      history.map((_, n) => n + 1),
      "numbered without a gap, in order",
    );
    const byClientId = new Map(history.map((message) => [message.clientMessageId, message]));
    assert.equal(byClientId.size, history.length, "none is stored twice");
    for (const { acked, held, user } of own) {
      for (const [clientMessageId, { _id, seq }] of acked) {
        const stored = byClientId.get(clientMessageId);
        assert.deepEqual([stored?._id, stored?.seq], [_id, seq], `${clientMessageId} was acknowledged`);
      }
      const mine = history.filter(({ senderId }) => senderId === user.id);
      assert.deepEqual(
        mine.map(({ text }) => text),
        mine.map((_, n) => `${n + 1}`),
        "one sender's messages in the order they were sent",
      );
      assert.equal(mine.length, acked.size);
      const had = [...held.values()].sort((a, b) => a.seq - b.seq);
      assert.deepEqual(
        had.map(({ _id }) => _id),
        history.map(({ _id }) => _id),
      );
    }
  }

  function report(test, { kills, stops, outages }) {
    const sum = (name) => members.reduce((total, { figures }) => total + figures[name], 0);
    const delays = members
      .flatMap((member) => member.arrivals)
      .map(([message, at]) => at - sentAt.get(message))
      .sort((a, b) => a - b);
    const at = (share) => Math.round(delays[Math.floor((delays.length - 1) * share)]);
    test.diagnostic(
      `${kills} kills, ${stops} stops, ${outages} outages of Redis; ${sum("sends")} messages, ${sum("resends")} sent again, ` +
        `${members.reduce((total, { acked }) => total + acked.size, 0)} acknowledged; ` +
        `${sum("reconnects")} reconnects, ${sum("gaps")} gaps, ${sum("refusals")} refusals, ` +
        `${sum("unanswered")} joins unanswered; ` +
        `${delays.length} deliveries, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`,
    );
  }
});

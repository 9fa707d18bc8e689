/** The console's arithmetic: from counters to rates and quantiles. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";

// The page's scripts are modules by their type attribute, which node does not see.
const source = readFileSync(new URL("../../host/admin/page/rates.js", import.meta.url));
const rates = await import(`data:text/javascript;base64,${source.toString("base64")}`);

const NONE = Array.from({ length: 15 }, () => 0);
const buckets = (counts) => NONE.map((_, at) => counts[at] ?? 0);
const route = (responses, latency) => ({ route: "/x", component: "x", responses, latency: buckets(latency) });

describe("the console's rates", () => {
  it("finds quantiles within a bucket, and none without a response", () => {
    assert.equal(rates.quantile(NONE, 0.99), null);
    // A hundred between 5 and 10 ms.
    assert.equal(rates.quantile(buckets({ 5: 100 }), 0.5), 7.5);
    assert.equal(rates.quantile(buckets({ 0: 99, 9: 1 }), 0.99), 0.25);
    assert.equal(rates.quantile(buckets({ 14: 1 }), 0.5), 10_000, "what has no end counts as its start");
  });

  it("counts what is new or began again from zero", () => {
    assert.equal(rates.grown(3, 10), 7);
    assert.equal(rates.grown(undefined, 4), 4);
    assert.equal(rates.grown(9, 4), 4);
  });

  it("compares two looks, unless the host was restarted between them", () => {
    assert.equal(rates.between({ uptime_seconds: 5 }, { uptime_seconds: 9 }), 4);
    assert.equal(rates.between({ uptime_seconds: 50 }, { uptime_seconds: 1 }), null);
    assert.equal(rates.between(null, { uptime_seconds: 1 }), null);
  });

  it("adds up a tenant's routes, and leaves long polls out of its latency", () => {
    const polls = { ...route([0, 10, 0, 0, 0], { 13: 10 }), route: "/socket.io", component: null };
    const before = { routes: [route([0, 100, 0, 0, 0], { 2: 100 }), { ...polls, responses: [0, 0, 0, 0, 0], latency: NONE }], components: [] };
    const component = { component: "x", release: "r", calls: 40, cpu_seconds: 2, throttled_seconds: 1 };
    const now = { routes: [route([0, 120, 0, 10, 4], { 2: 120, 4: 14 }), polls], components: [component] };
    const { requests, clientErrors, serverErrors, p99, cpu } = rates.tenant(before, now, 2);
    assert.deepEqual([requests, clientErrors, serverErrors, cpu], [22, 5, 2, 1]);
    assert.ok(p99 > 2.5 && p99 <= 5, `${p99}`);
  });
});

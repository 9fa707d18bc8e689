/** Traces and log lines at a collector: whose they are, what they name, and who decides. */

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { once } from "node:events";
import { dirname, resolve } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { Client } from "./client.mjs";
import { BINARY, freePort, startHost } from "./host.mjs";
import { Operator } from "./operator.mjs";
import { Collector } from "./otlp.mjs";
import { connect, profileExists, signUp } from "./people.mjs";
import { Sockets } from "./sockets.mjs";

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const PROBE = resolve(ROOT, "target/wasm32-wasip2/component/guest_probe.wasm");
const TENANT = "probe.example.org";
/** Batches go out soon: the SDK's own variables, in milliseconds. */
const AT_ONCE = { OTEL_BSP_SCHEDULE_DELAY: "100", OTEL_BLRP_SCHEDULE_DELAY: "100" };
const skip = BINARY ? false : "needs PINGTALK_BIN";

function newParent(flags = "01") {
  const [trace, span] = [randomBytes(16).toString("hex"), randomBytes(8).toString("hex")];
  return { trace, span, traceparent: `00-${trace}-${span}-${flags}` };
}

describe("telemetry", { skip, timeout: 300_000 }, () => {
  let collector;
  let host;
  let operator;
  let ada;

  before(async () => {
    collector = await Collector.start();
    host = await startHost({ env: { ...AT_ONCE, PINGTALK_OTLP_ENDPOINT: collector.url, PINGTALK_LOG_FORMAT: "json" } });
    operator = new Operator(host);
    const probe = await operator.upload(readFileSync(PROBE));
    await operator.do("POST", "/v1/tenants", { name: "probe", hosts: [TENANT], private_outbound: true });
    await operator.do("POST", "/v1/tenants/probe/deployments", { manifest: manifest(), components: { probe } });
    ada = await signUp(host.url);
    await profileExists(ada);
  });
  after(async () => {
    await host?.close();
    await collector?.close();
  });

  function manifest(outbound = "") {
    return `
spin_manifest_version = 2
[application]
name = "probe"
version = "1.0.0"
[[application.tool.pingtalk.collections]]
database = "db"
name = "things"
[[trigger.http]]
route = "/..."
component = "probe"
[component.probe]
source = "probe.wasm"
allowed_outbound_hosts = [${outbound}]
[component.probe.tool.pingtalk]
documents = ["db.things:write"]
cache = ["flood:"]
blobs = ["files"]
sockets = { serve = true, emit = true }
`;
  }

  const ofTrace = (trace) => collector.spans.filter((span) => span.trace === trace);
  const ask = (path, headers = {}) => new Client(host.url).get(path, { headers: { host: TENANT, ...headers } });

  it("follows a request from the gateway through the component to its capabilities", async () => {
    const { trace, span, traceparent } = newParent();
    const { status, headers } = await ada.clone().get("/profile/getProfile", { headers: { traceparent } });
    assert.equal(status, 200);
    const server = await collector.until("the request's span", () => ofTrace(trace).find(({ kind }) => kind === "server"));
    assert.equal(server.name, "GET /profile");
    assert.equal(server.parent, span);
    assert.equal(server.attributes["http.response.status_code"], 200);
    assert.equal(server.attributes["http.route"], "/profile");
    assert.equal(server.attributes["url.path"], "/profile/getProfile");
    assert.equal(server.attributes["pingtalk.tenant"], "default");
    assert.equal(server.attributes["pingtalk.request_id"], headers["x-request-id"]);
    const component = ofTrace(trace).find(({ parent }) => parent === server.id);
    assert.equal(component.name, "profile");
    assert.equal(component.kind, "internal");
    assert.equal(component.attributes["pingtalk.component"], "profile");
    assert.match(component.attributes["pingtalk.release"], /./);
    const calls = ofTrace(trace).filter(({ parent }) => parent === component.id);
    assert.ok(calls.length > 0);
    assert.ok(calls.every(({ name, kind }) => /^(documents|cache)\.\w+$/.test(name) && kind === "client"), JSON.stringify(calls));
    assert.ok(ofTrace(trace).every(({ failed }) => !failed));
    assert.equal(collector.resource["service.name"], "pingtalk");
  });

  it("begins a trace where nobody else has, and tells the component which", async () => {
    const { body } = await ask("/header?traceparent");
    const [, trace, parent] = /^00-([0-9a-f]{32})-([0-9a-f]{16})-01$/.exec(body);
    const server = await collector.until("the span", () => ofTrace(trace).find(({ kind }) => kind === "server"));
    assert.equal(server.id, parent);
    assert.equal(server.parent, "");
    const garbage = await ask("/header?traceparent", { traceparent: "00-garbage-01" });
    assert.match(garbage.body, /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/, "what can't be read is replaced");
  });

  it("takes a trace on to whoever a component asks", async () => {
    const asked = [];
    const other = createServer((incoming, outgoing) => {
      asked.push(incoming.headers.traceparent);
      outgoing.end("hello");
    }).listen(0, "127.0.0.1");
    await once(other, "listening");
    const place = `127.0.0.1:${other.address().port}`;
    await operator.do("POST", "/v1/tenants/probe/deployments", { manifest: manifest(`"http://${place}"`) });
    const { trace, traceparent } = newParent();
    const { body } = await ask(`/fetch?http://${place}/`, { traceparent });
    assert.match(body, /^200/, body);
    const sent = await collector.until("the outbound call", () => ofTrace(trace).find(({ name }) => name === "http.send"));
    assert.deepEqual(asked, [`00-${trace}-${sent.id}-01`]);
    other.close();
  });

  it("marks what fails, where it fails", async () => {
    const { trace, traceparent } = newParent();
    assert.equal((await ask("/trap", { traceparent })).status, 500);
    const server = await collector.until("the span", () => ofTrace(trace).find(({ kind }) => kind === "server"));
    assert.ok(server.failed);
    assert.ok(ofTrace(trace).find(({ name }) => name === "probe").failed);
    const line = await collector.until("the line", () => collector.lines.find((it) => it.trace === trace && it.text === "answered"));
    assert.equal(line.attributes.status, 500);
  });

  it("hands on what components log, under the request's ids", async () => {
    const { trace, traceparent } = newParent();
    const { headers } = await ask("/log?2", { traceparent });
    const lines = await collector.until("the lines", () => {
      const found = collector.lines.filter((line) => line.trace === trace && line.attributes.component === "probe");
      return found.length >= 2 ? found : undefined;
    });
    for (const { attributes } of lines) {
      assert.equal(attributes.request_id, headers["x-request-id"]);
      assert.equal(attributes.tenant, "probe");
      assert.match(attributes.release, /./);
    }
    const written = host.lines().filter((line) => line.includes(headers["x-request-id"]) && line.includes("probe"));
    assert.ok(written.length >= 2, "the host's own log has them too");
  });

  it("keeps the lines of calls apart that share an instance", async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask("/log?3")));
    const ids = answers.map(({ headers }) => headers["x-request-id"]);
    await collector.until("all lines", () => {
      const count = (id) => collector.lines.filter(({ attributes }) => attributes.request_id === id && attributes.component).length;
      return ids.every((id) => count(id) === 4) ? true : undefined; // One more on standard error.
    });
  });

  it("follows a socket's event and what it causes", async (test) => {
    const grace = await signUp(host.url);
    const { _id: chatId } = await connect(ada, grace);
    const sockets = new Sockets(host.url);
    test.after(() => sockets.closeAll());
    const [from, to] = [await sockets.connect(ada), await sockets.connect(grace)];
    await to.join(chatId);
    await from.send(chatId, "hi");
    await to.until(() => to.texts(chatId).length === 1, "the message");
    const event = await collector.until("the event", () =>
      collector.spans.find(({ name, trace }) => name === "socket event" && ofTrace(trace).some(({ name }) => name === "sockets.emit")),
    );
    assert.equal(event.kind, "server");
    assert.equal(event.parent, "");
    const names = ofTrace(event.trace).map(({ name }) => name);
    assert.ok(["chat", "documents.commit", "sockets.emit"].every((name) => names.includes(name)), names.join());
    assert.ok(collector.spans.some(({ name, kind }) => name === "event" && kind === "consumer"), "sign-up's event too");
  });
});

describe("who decides what is kept", { skip, timeout: 300_000 }, () => {
  let collector;
  before(async () => {
    collector = await Collector.start();
  });
  after(() => collector?.close());

  /** The traces that came of two requests: one whose sender says to keep it, one that says not to. */
  async function kept(env) {
    const host = await startHost({ env: { ...AT_ONCE, PINGTALK_OTLP_ENDPOINT: collector.url, ...env } });
    try {
      const [yes, no] = [newParent("01"), newParent("00")];
      for (const { traceparent } of [yes, no]) {
        assert.equal((await new Client(host.url).get("/profile/getProfile", { headers: { traceparent } })).status, 401);
      }
      assert.equal(await host.stop(), 0);
      return [yes, no].map(({ trace }) => collector.spans.some((span) => span.trace === trace));
    } finally {
      await host.close();
    }
  }

  it("is the host, by its share, for clients", async () => {
    assert.deepEqual(await kept({ PINGTALK_TRACE_SHARE: "0" }), [false, false]);
    assert.deepEqual(await kept({ PINGTALK_TRACE_SHARE: "1" }), [true, true]);
  });

  it("is the sender, for trusted proxies", async () => {
    const trusted = { PINGTALK_TRACE_SHARE: "0", PINGTALK_TRUSTED_PROXIES: "127.0.0.0/8" };
    assert.deepEqual(await kept(trusted), [true, false]);
  });

  it("is told to whoever names it wrongly", async () => {
    for (const [env, words] of [
      [{ PINGTALK_OTLP_ENDPOINT: "collector:4318" }, /otlp_endpoint must start with http:/],
      [{ PINGTALK_OTLP_ENDPOINT: "http://127.0.0.1:1", PINGTALK_TRACE_SHARE: "2" }, /trace_share must lie between 0 and 1/],
    ]) {
      await assert.rejects(startHost({ env }), words);
    }
  });

  it("costs nothing but traces when the collector is away", async () => {
    const host = await startHost({ env: { ...AT_ONCE, OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${await freePort()}` } });
    try {
      const person = await signUp(host.url);
      await profileExists(person);
      assert.equal(await host.stop(), 0);
      assert.match(host.log(), /opentelemetry|ExportError|export/i, "it says that it can't send");
    } finally {
      await host.close();
    }
  });
});

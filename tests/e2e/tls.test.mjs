/** TLS on the gateway: both HTTP versions, WebSockets, and a certificate that is renewed while it runs. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import { request as httpsRequest } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { connect as connectTls } from "node:tls";
import { eventually } from "./client.mjs";
import { BINARY, newHost } from "./host.mjs";
import { newEmail, PASSWORD } from "./people.mjs";
import { Sockets } from "./sockets.mjs";

const BOUND = 15_000;

describe("TLS", { skip: BINARY ? false : "needs PINGTALK_BIN", timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), "pingtalk-e2e-tls-"));
  const [certificate, key] = ["certificate.pem", "key.pem"].map((name) => join(folder, name));
  let host;
  let url;

  before(async () => {
    make("first");
    host = await newHost({ env: { PINGTALK_TLS_CERTIFICATE: certificate, PINGTALK_TLS_KEY: key } });
    url = `https://127.0.0.1:${host.port}`;
    host.url = url;
    host.ca = readFileSync(certificate);
    await host.start();
  });
  after(async () => {
    await host?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** A certificate of its own for 127.0.0.1, with a name to tell it by. */
  function make(name) {
    const [newCertificate, newKey] = ["new.pem", "new-key.pem"].map((file) => join(folder, file));
    const options = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
    const names = ["-subj", `/CN=${name}`, "-addext", "subjectAltName=IP:127.0.0.1"];
    execFileSync("openssl", [...options, ...names, "-keyout", newKey, "-out", newCertificate], { stdio: "ignore" });
    // The key comes a moment later, as it may in a renewal.
    copyFileSync(newCertificate, certificate);
    copyFileSync(newKey, key);
  }

  /** One request over HTTP/1.1. */
  function get(path, options = {}) {
    return new Promise((resolve, reject) => {
      const ca = readFileSync(certificate);
      const outgoing = httpsRequest(url + path, { ca, timeout: BOUND, agent: false, ...options }, (incoming) => {
        incoming.resume();
        incoming.on("end", () => resolve(incoming));
      });
      outgoing.on("timeout", () => outgoing.destroy(new Error("no answer")));
      outgoing.on("error", reject);
      outgoing.end(options.body);
    });
  }

  async function subject() {
    const socket = connectTls({ host: "127.0.0.1", port: host.port, rejectUnauthorized: false });
    await once(socket, "secureConnect");
    const { CN } = socket.getPeerCertificate().subject;
    socket.destroy();
    return CN;
  }

  it("answers over HTTP/1.1", async () => {
    assert.equal((await get("/health")).statusCode, 200);
    await assert.rejects(get("/health", { ca: undefined }), "a client that does not know the certificate");
  });

  it("answers many requests at once over one HTTP/2 connection", async () => {
    const session = connectHttp2(url, { ca: readFileSync(certificate) });
    const send = async (headers, body) => {
      const stream = session.request(headers);
      stream.setTimeout(BOUND, () => stream.close());
      stream.end(body);
      const [answer] = await once(stream, "response");
      let text = "";
      for await (const chunk of stream) {
        text += chunk;
      }
      return { status: answer[":status"], headers: answer, text };
    };
    try {
      const body = JSON.stringify({ firstName: "Ada", lastName: "Lovelace", emailId: newEmail(), password: PASSWORD });
      const path = { ":method": "POST", ":path": "/auth/signup", "content-type": "application/json" };
      const signUp = await send(path, body);
      assert.equal(signUp.status, 201, signUp.text);
      const [cookie] = /^token=[^;]+/.exec(signUp.headers["set-cookie"][0]);
      await eventually(async () => {
        // HTTP/2 may send a cookie in several crumbs.
        const { status, text } = await send({ ":path": "/profile/getProfile", cookie: ["first=1", cookie] });
        assert.equal(status, 200, text);
      });
      const answers = await Promise.all(Array.from({ length: 80 }, () => send({ ":path": "/health" })));
      assert.ok(answers.every(({ status, text }) => status === 200 && text === "API Gateway is healthy"));
      assert.equal((await send({ ":path": "/nothing/../here" })).status, 400);
      assert.equal((await send({ ":path": "/auth/login", ":method": "POST" }, "x".repeat(3_000_000))).status, 413);
    } finally {
      session.destroy();
    }
  });

  it("carries WebSockets", async () => {
    const sockets = new Sockets(url);
    const options = { ca: readFileSync(certificate), transports: ["websocket"] };
    assert.match(await sockets.refusal({ cookie: null }, options), /Unauthorized/);
  });

  it("uses a renewed certificate without a restart, and survives a broken one", async () => {
    assert.equal(await subject(), "first");
    const session = connectHttp2(url, { ca: readFileSync(certificate) });
    await once(session, "connect");
    writeFileSync(key, "no key\n");
    await eventually(async () => assert.match(host.log(), /the new certificate can't be used/));
    assert.equal(await subject(), "first");
    make("second");
    await eventually(async () => assert.equal(await subject(), "second"));
    assert.equal(session.destroyed, false, "connections stay");
    session.destroy();
    assert.equal((await get("/health")).statusCode, 200);
  });
});

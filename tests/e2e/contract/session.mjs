/** The session: the cookie, and every route that asks for it. */

import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { Client } from "../client.mjs";
import { signUp } from "../people.mjs";
import { token } from "../tokens.mjs";
import { expectAnswer, NO_ONE } from "./rows.mjs";

const INVALID = { error: "Invalid or expired token" };

/** Every route that needs a session. */
const PROTECTED = [
  ["GET", "/auth/getUserByEmail?emailId=a@example.com"],
  ["PATCH", "/auth/changePassword"],
  ["GET", "/profile/getProfile"],
  ["PUT", "/profile/patchProfile"],
  ["GET", `/profile/profile/${NO_ONE}`],
  ["POST", "/request/invite/send"],
  ["PATCH", `/request/respond/${NO_ONE}`],
  ["GET", "/request/invites/sent"],
  ["GET", "/request/invites/received"],
  ["DELETE", `/request/cancel/${NO_ONE}`],
  ["POST", "/chat/create-direct"],
  ["POST", "/chat/create-group"],
  ["PUT", "/chat/add-to-group"],
  ["PUT", "/chat/remove-from-group"],
  ["PUT", "/chat/leave-group"],
  ["GET", "/chat/my-chats"],
  ["GET", `/chat/messages/${NO_ONE}`],
  ["POST", "/chat/send-file"],
];

/** @param {{url: string, knowsSecret: boolean}} target */
export function session(target) {
  describe("session", () => {
    let user;
    before(async () => {
      user = await signUp(target.url);
    });

    /** @param {string | null} cookie */
    const call = (method, path, cookie) => {
      const client = new Client(target.url);
      client.cookie = cookie;
      return client.request(method, path, method === "GET" ? {} : { json: {} });
    };

    describe("is asked for by", () => {
      for (const [method, path] of PROTECTED) {
        const expired = path.endsWith("changePassword")
          ? "Token expired, please login"
          : "Token Expired, please login again";
        it(`${method} ${path}`, async () => {
          expectAnswer(await call(method, path, null), 401, expired);
          expectAnswer(await call(method, path, "token="), 401, expired);
          expectAnswer(await call(method, path, "other=1"), 401, expired);
          expectAnswer(await call(method, path, "token=nonsense"), 401, INVALID);
        });
      }
    });

    describe("refuses", () => {
      const now = Math.floor(Date.now() / 1000);
      const good = () => ({ _id: user.id, iat: now, exp: now + 3600 });
      const tokens = {
        "a token signed with another secret": () => token(good(), { secret: "another secret" }),
        "alg none": () => token(good(), { alg: "none" }),
        "another algorithm": () => token(good(), { alg: "HS384" }),
        "an expired token": () => token({ ...good(), iat: now - 7200, exp: now - 3600 }),
        "a token without an end": () => token({ _id: user.id, iat: now }),
        "a token without _id": () => token({ iat: now, exp: now + 3600 }),
        "a token whose _id is no id": () => token({ ...good(), _id: { $gt: "" } }),
        "a token whose user is gone": () => token({ ...good(), _id: NO_ONE }),
        "a token with a changed payload": () => {
          const [header, , signature] = user.cookie.slice("token=".length).split(".");
          const payload = Buffer.from(JSON.stringify({ ...good(), exp: now + 9_999_999 })).toString("base64url");
          return `${header}.${payload}.${signature}`;
        },
      };
      for (const [name, make] of Object.entries(tokens)) {
        it(name, async () => {
          expectAnswer(await call("GET", "/request/invites/sent", `token=${make()}`), 401, INVALID);
          expectAnswer(await call("GET", "/chat/my-chats", `token=${make()}`), 401, INVALID);
        });
      }
      it("nothing that is right", async (test) => {
        if (!target.knowsSecret) {
          test.skip("needs JWT_SECRET, the secret of the host at BASE_URL");
          return;
        }
        expectAnswer(await call("GET", "/chat/my-chats", `token=${token(good())}`), 200, []);
      });
    });

    it("comes as a cookie for this host alone, for a day", async () => {
      const { headers, body } = await new Client(target.url).post("/auth/login", {
        emailId: user.email,
        password: "Correct-horse-7",
      });
      assert.equal(headers["set-cookie"].length, 1);
      const [pair, ...attributes] = headers["set-cookie"][0].split(";").map((part) => part.trim());
      assert.equal(pair, `token=${body.data.token}`);
      const named = new Map(
        attributes.map((attribute) => {
          const [name, value = true] = attribute.split("=");
          return [name.toLowerCase(), value];
        }),
      );
      assert.equal(named.get("path"), "/");
      assert.equal(named.get("httponly"), true);
      assert.equal(named.get("samesite"), "Lax");
      assert.equal(named.has("domain"), false);
      assert.equal(named.has("secure"), false);
      const seconds = named.has("max-age")
        ? Number(named.get("max-age"))
        : (Date.parse(named.get("expires")) - Date.now()) / 1000;
      assert.ok(Math.abs(seconds - 86_400) < 60, `${seconds} s`);
      const [header, claims] = body.data.token
        .split(".")
        .slice(0, 2)
        .map((part) => JSON.parse(Buffer.from(part, "base64url")));
      assert.equal(header.alg, "HS256");
      assert.equal(claims._id, user.id);
      assert.equal(claims.exp - claims.iat, 86_400);
    });

    it("is found among other cookies", async () => {
      expectAnswer(await call("GET", "/chat/my-chats", `a=b; ${user.cookie}; tokens=c`), 200, []);
    });
  });
}

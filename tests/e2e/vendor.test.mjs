/** What lies in `web/vendor` is what npm has, and the client's code keeps the types it claims. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const vendor = join(here, "../../web/vendor");
const installed = join(here, "node_modules/socket.io-client");
const { version } = JSON.parse(readFileSync(join(installed, "package.json"), "utf8"));

describe("web/vendor", () => {
  for (const [ours, theirs] of [
    ["socket.io.esm.min.js", "dist/socket.io.esm.min.js"],
    ["socket.io-client.LICENSE.txt", "LICENSE"],
  ]) {
    it(`${ours} is npm's, byte for byte`, () => {
      assert.ok(readFileSync(join(vendor, ours)).equals(readFileSync(join(installed, theirs))));
    });
  }

  it("is the version that its README and the lock file name", () => {
    const lock = JSON.parse(readFileSync(join(here, "package-lock.json"), "utf8"));
    const locked = lock.packages["node_modules/socket.io-client"];
    assert.equal(locked.version, version);
    assert.match(locked.integrity, /^sha512-/);
    assert.ok(readFileSync(join(vendor, "README.md"), "utf8").includes(`| ${version} |`));
    assert.ok(readFileSync(join(vendor, "socket.io.esm.min.js"), "utf8").includes(`v${version}`));
  });
});

describe("web/js", () => {
  it("passes the type check", () => {
    const tsc = join(here, "node_modules/.bin/tsc");
    try {
      execFileSync(tsc, ["-p", join(here, "tsconfig.json")], { encoding: "utf8", stdio: "pipe" });
    } catch (error) {
      assert.fail(error.stdout || error.stderr);
    }
  });
});

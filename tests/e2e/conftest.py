"""The host under test: BASE_URL, or one started from PINGTALK_BIN and ended by its pid."""

import os
import pathlib
import socket
import subprocess
import tempfile
import time

import pytest
import requests

ROOT = pathlib.Path(__file__).resolve().parents[2]
# The first start compiles the components.
START_BOUND = 180


@pytest.fixture(scope="session")
def base_url():
    running = os.environ.get("BASE_URL")
    if running:
        yield running.rstrip("/")
        return
    binary = os.environ.get("PINGTALK_BIN")
    if not binary:
        pytest.fail("set PINGTALK_BIN to the host's binary, or BASE_URL to a running host")
    with tempfile.TemporaryDirectory(prefix="pingtalk-e2e-") as folder:
        yield from started(pathlib.Path(binary).resolve(), pathlib.Path(folder))


def started(binary, folder):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    # The same place as in host.mjs: compiled once for all tests.
    compiled = pathlib.Path(tempfile.gettempdir()) / f"pingtalk-e2e-compiled-{os.getuid()}"
    environment = {"PINGTALK_COMPILE_CACHE": str(compiled), **os.environ}
    log = folder / "host.log"
    with log.open("wb") as output:
        host = subprocess.Popen(
            [binary, "up", "--data", folder / "data", "--listen", f"127.0.0.1:{port}"],
            cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
        )
    try:
        wait_for_health(url, host, log)
        yield url
    finally:
        host.terminate()
        try:
            host.wait(30)
        except subprocess.TimeoutExpired:
            host.kill()
            host.wait(10)


def wait_for_health(url, host, log):
    deadline = time.monotonic() + START_BOUND
    while time.monotonic() < deadline:
        if host.poll() is not None:
            break
        try:
            if requests.get(f"{url}/health", timeout=2).ok:
                return
        except requests.RequestException:
            pass  # Not listening yet.
        time.sleep(0.05)
    pytest.fail(f"the host did not answer (exit code {host.poll()}):\n{log.read_text()[-4000:]}")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]

// A real LoudSync server for these tests, and a network in front of it to cut.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import net from "node:net";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const VENV_PYTHON = fileURLToPath(new URL("../../../.venv/bin/python", import.meta.url));

const PYTHON = process.env.LOUDSYNC_PYTHON ?? (existsSync(VENV_PYTHON) ? VENV_PYTHON : "python3");

/** Start `loudsync serve` on a free port; `stop` ends it. */
export async function startServer(...options) {
  const server = spawn(
    PYTHON,
    ["-m", "loudsync", "serve", "--host", "127.0.0.1", "--port", "0", "--json", "--log-level", "error", ...options],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const [line] = await once(createInterface(server.stdout), "line");
  const { url } = JSON.parse(line);
  return {
    url,
    port: Number(new URL(url).port),
    async stop() {
      server.kill("SIGTERM");
      if (server.exitCode === null) await once(server, "exit");
    },
  };
}

/** Create a session over HTTP; gives what the server answers. */
export async function createSession(server, fields = {}) {
  const response = await fetch(`${server.url}/sessions`, {
    method: "POST",
    body: JSON.stringify({ name: "Friday Party", ...fields }),
  });
  return response.json();
}

/**
 * A TCP proxy: `cut` ends every connection and refuses new ones, `stall` passes
 * nothing on (or only nothing "up", to the server), of connections that are open
 * or come before `resume`. `next` waits for a connection.
 */
export async function startNetwork(port) {
  const sockets = new Set();
  let stalled = "";
  const listener = net.createServer((near) => {
    let isStuck = stalled; // Once stalled, it stays so.
    const far = net.connect(port, "127.0.0.1");
    for (const [from, to] of [[near, far], [far, near]]) {
      sockets.add(from);
      const way = from === near ? "up" : "down";
      from.on("data", (data) => {
        isStuck ||= stalled;
        if (isStuck !== "both" && isStuck !== way) to.write(data);
      });
      from.on("error", () => {});
      from.on("close", () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const own = listener.address().port;
  const drop = () => sockets.forEach((socket) => socket.destroy());
  return {
    url: `ws://127.0.0.1:${own}`,
    drop,
    next: () => once(listener, "connection"),
    stall(way = "both") {
      stalled = way;
    },
    resume() {
      stalled = "";
    },
    async cut() {
      const closed = once(listener, "close");
      listener.close();
      drop();
      await closed;
    },
    async heal() {
      stalled = "";
      listener.listen(own, "127.0.0.1");
      await once(listener, "listening");
    },
  };
}

// Servers that lie, programs that err, and platforms that lack things.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { WebSocket, WebSocketServer } from "ws";
import { LoudSyncClient } from "../loudsync.js";
import { Guests } from "./guest.js";

const FOLDER = fileURLToPath(new URL("..", import.meta.url));

const WELCOME = {
  type: "welcome",
  timestamp: 1,
  clientId: "client-1",
  sessionInfo: { id: "k7m2xp", name: "Friday Party", hostId: "host-1" },
};
const SARA = { id: "client-1", name: "Sara", isHost: false, connectionStatus: "connected", joinedAt: 1 };

/** A server that calls `onJoin(socket, text)` with who joins; gives the options to go there. */
async function serve(t, onJoin) {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(server, "listening");
  t.after(() => server.close());
  server.on("connection", (socket) => socket.once("message", (text) => onJoin(socket, text)));
  return { url: `ws://127.0.0.1:${server.address().port}`, sessionId: "k7m2xp" };
}

/** A guest of a server that says what it is told to, to who joins. */
async function liar(t, ...messages) {
  const options = await serve(t, (socket) => {
    for (const message of messages) socket.send(typeof message === "string" ? message : JSON.stringify(message));
  });
  return new Guests(t, { ...options, WebSocket }).make("Sara");
}

test("what is no message is told, and nothing is lost", async (t) => {
  const bad = [
    "{", "null", "7", "[]", "{}", '"welcome"',
    { type: 7 },
    { type: "member_list" },
    { type: "member_list", members: [null] },
    { type: "member_joined", member: { id: "client-2" } },
    { type: "member_left" },
    { type: "kicked", reason: 7 },
    { type: "session_closed", reason: {} },
    { type: "pong", timestamp: "1" },
    { type: "error" },
    { type: "welcome", clientId: "client-3" },
    { ...WELCOME, clientId: "client-3" },
  ];
  const sara = await liar(t, WELCOME, { type: "member_list", members: [SARA] }, ...bad, { type: "kicked" });
  await sara.connect();
  await sara.next("kicked");
  const faults = sara.events.filter(([type]) => type === "error");
  assert.equal(faults.length, bad.length);
  assert.ok(faults.every(([, { error }]) => error.code === "invalid_message"));
  assert.ok(!sara.events.some(([type]) => type === "memberleft"));
});

test("what a later version adds has no effect", async (t) => {
  const sara = await liar(
    t,
    { type: "news", items: [] },
    { ...WELCOME, mood: "good" },
    { type: "member_left", memberId: "client-nobody" },
    { type: "pong", timestamp: 1 },
    { type: "error", code: "too_late" },
    { type: "session_closed" },
  );
  await sara.connect();
  assert.deepEqual(await sara.next("sessionclosed"), { reason: "" });
  const told = sara.events.map(([type]) => type);
  assert.deepEqual(told, ["statechange", "statechange", "welcome", "error", "statechange", "sessionclosed"]);
  assert.equal(sara.clientId, null);
  assert.equal((await sara.next("error")).error.code, "too_late");
});

for (const [type, code] of [["kicked", "kicked"], ["session_closed", "session_closed"]]) {
  test(`${type} before WELCOME`, async (t) => {
    const sara = await liar(t, { type, reason: "Too many messages" });
    await assert.rejects(sara.connect(), { code, message: "Too many messages" });
    assert.equal(sara.state, "disconnected");
  });
}

const DEVICE = { name: "Sara" };

for (const [name, options] of Object.entries({
  url: { url: "party.example.org", sessionId: "a", device: DEVICE },
  sessionId: { url: "ws://localhost", device: DEVICE },
  "device.name": { url: "ws://localhost", sessionId: "a", device: { name: " " } },
  heartbeatInterval: { url: "ws://localhost", sessionId: "a", device: DEVICE, heartbeatInterval: 0 },
  reconnectAttempts: { url: "ws://localhost", sessionId: "a", device: DEVICE, reconnectAttempts: -1 },
  reconnectDelay: { url: "ws://localhost", sessionId: "a", device: DEVICE, reconnectDelay: "soon" },
  connectionTimeout: { url: "ws://localhost", sessionId: "a", device: DEVICE, connectionTimeout: 2 ** 31 },
})) {
  test(`an error that names ${name}`, () => {
    assert.throws(() => new LoudSyncClient({ WebSocket, ...options }), (error) => {
      assert.deepEqual([error.code, error.details.path], ["invalid_option", name]);
      return error.message.startsWith(`${name} `);
    });
  });
}

test("nothing at all is an error, too", () => {
  assert.throws(() => new LoudSyncClient(), { code: "invalid_option" });
});

for (const [given, url, session] of [
  ["ws://a", "ws://a/ws", undefined],
  ["http://a:8080/?session=k7", "ws://a:8080/ws", "k7"],
  ["HTTPS://a/?lang=de&session=k%2D7#top", "wss://a/ws?lang=de", "k-7"],
  ["wss://[::1]:1/party/ws", "wss://[::1]:1/party/ws", undefined],
]) {
  test(`${given} leads to ${url}`, async () => {
    const asked = [];
    class Asked {
      constructor(url) {
        asked.push(url);
        throw new Error("not here");
      }
    }
    const client = new LoudSyncClient({ url: given, sessionId: session ? undefined : "k7", device: DEVICE, WebSocket: Asked });
    await assert.rejects(client.connect(), { code: "connection_failed", message: "not here" });
    assert.deepEqual(asked, [url]);
  });
}

/** Run a module in a Node of its own. */
async function run(code) {
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", code], { cwd: FOLDER });
  return stdout.trim();
}

test("what React Native closes without a code keeps the seat", async (t) => {
  const codes = [];
  class NativeWebSocket extends WebSocket {
    close(code) {
      codes.push(code ?? 1000); // As it does.
      super.close(code ?? 1000);
    }
  }
  const options = await serve(t, (socket) => socket.send(JSON.stringify(WELCOME)));
  const guests = new Guests(t, { ...options, WebSocket: NativeWebSocket });
  const sara = guests.make("Sara", { heartbeatInterval: 10, reconnectAttempts: 0 });
  await sara.connect();
  await sara.next("error"); // Nobody answers its PINGs.
  assert.ok(codes.length > 0 && !codes.includes(1000), codes);
});

test("no EventTarget, no Event and no randomness, as in React Native", async (t) => {
  const served = await serve(t, (socket, text) => {
    socket.send(JSON.stringify({ ...WELCOME, clientId: JSON.parse(text).deviceInfo.id }));
    socket.once("message", () => socket.send('{"type":"kicked","reason":"Bye"}'));
  });
  const out = await run(`
    import { WebSocket } from "ws";
    delete globalThis.EventTarget;
    delete globalThis.Event;
    delete globalThis.crypto;
    const { LoudSyncClient } = await import("./loudsync.js");
    const options = { ...${JSON.stringify(served)}, WebSocket };
    try {
      new LoudSyncClient({ ...options, device: { name: "Sara" } });
    } catch ({ code, details }) {
      console.log(code, details.path);
    }
    const client = new LoudSyncClient({ ...options, device: { id: "phone", name: "Sara" } });
    const never = () => console.log("never");
    client.addEventListener("kicked", never);
    client.removeEventListener("kicked", never);
    const keeper = { name: "keeper", handleEvent() { console.log(this.name); } };
    client.addEventListener("welcome", keeper);
    client.addEventListener("welcome", keeper);
    const control = new AbortController();
    client.addEventListener("kicked", never, { signal: control.signal });
    client.addEventListener("welcome", () => control.abort());
    client.addEventListener("welcome", { handleEvent: ({ detail }) => console.log(detail.clientId) }, { once: true });
    client.addEventListener("kicked", ({ type, detail }) => console.log(type, detail.reason));
    await client.connect();
  `);
  assert.equal(out, "invalid_option device.id\nkeeper\nphone\nkicked Bye");
});

test("a Node without a WebSocket is told to give one", async () => {
  const out = await run(`
    delete globalThis.WebSocket;
    const { LoudSyncClient } = await import("loudsync");
    try {
      new LoudSyncClient({ url: "ws://localhost", sessionId: "a", device: { name: "Sara" } });
    } catch ({ message }) {
      console.log(message);
    }
  `);
  assert.match(out, /^WebSocket is missing here/);
});

test("the package has what it needs, and no more", async () => {
  const { stdout } = await promisify(execFile)("npm", ["pack", "--dry-run", "--json"], { cwd: FOLDER });
  const [{ files }] = Object.values(JSON.parse(stdout));
  assert.deepEqual(files.map(({ path }) => path).sort(), ["README.md", "loudsync.d.ts", "loudsync.js", "package.json"]);
});

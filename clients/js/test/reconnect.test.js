// "Reconnection Logic": over a network that is cut, stalled and mended.

import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { after, before, test } from "node:test";
import { WebSocket } from "ws";
import { Guests } from "./guest.js";
import { createSession, startNetwork, startServer } from "./server.js";

const QUICK = { WebSocket, reconnectDelay: 20, heartbeatInterval: 50, connectionTimeout: 5_000 };

let server;
before(async () => {
  server = await startServer();
});
after(() => server.stop());

/** A session with a watcher in it, and guests who come over a network of their own. */
async function party(t) {
  const session = await createSession(server);
  const network = await startNetwork(server.port);
  t.after(() => network.cut());
  const watchers = new Guests(t, { url: session.joinUrl, WebSocket });
  const watcher = await watchers.join("Watcher");
  const guests = new Guests(t, { ...QUICK, url: network.url, sessionId: session.id });
  return { session, network, watcher, guests };
}

test("a lost connection is found again, with the same seat, time and again", async (t) => {
  const { network, watcher, guests } = await party(t);
  const sara = await guests.join("Sara");
  const id = sara.clientId;
  await watcher.next("memberjoined");

  for (let round = 0; round < 2; round += 1) {
    network.drop();
    await watcher.next("members", ({ members }) => members.get(id).connectionStatus === "reconnecting");
    const lost = await sara.next("statechange", ({ state }) => state === "reconnecting");
    assert.deepEqual([lost.attempt, lost.maxAttempts, lost.error.code], [1, 3, "connection_failed"]);
    const { isResumed } = await sara.next("welcome", ({ isResumed }) => isResumed);
    assert.ok(isResumed);
    assert.deepEqual([sara.state, sara.clientId, sara.attempt], ["connected", id, 0]);
    const { member, isBack } = await watcher.next("memberjoined");
    assert.deepEqual([member.id, isBack], [id, true]);
  }
  assert.ok(!watcher.events.some(([type]) => type === "memberleft"));
});

test("three attempts, then it has failed; connect begins anew", async (t) => {
  const { network, guests } = await party(t);
  const sara = await guests.join("Sara");

  await network.cut();
  const { error } = await sara.next("error");

  assert.deepEqual([error.code, error.details.attempts], ["reconnection_failed", 3]);
  assert.deepEqual(sara.states, [
    "connecting", "connected", "reconnecting 1", "reconnecting 2", "reconnecting 3", "failed 3",
  ]);
  assert.deepEqual([sara.session, sara.clientId, sara.members.size], [null, null, 0]);
  assert.throws(() => sara.kick("client-1"), { code: "not_connected" });

  await network.heal();
  await sara.connect();
  assert.equal(sara.state, "connected");
});

test("no attempts are none", async (t) => {
  const { network, guests } = await party(t);
  const sara = await guests.join("Sara", { reconnectAttempts: 0 });
  network.drop();
  await sara.next("error");
  assert.deepEqual(sara.states, ["connecting", "connected", "failed"]);
});

test("a silent server is noticed by its missing PONG", async (t) => {
  const { network, watcher, guests } = await party(t);
  const sara = await guests.join("Sara");
  network.stall();
  const { error } = await sara.next("statechange", ({ state }) => state === "reconnecting");
  assert.match(error.message, /does not answer/);
  await network.cut();
  await network.heal();
  await sara.next("welcome", ({ isResumed }) => isResumed);
  assert.ok(!watcher.events.some(([type]) => type === "memberleft"));
});

test("a program can ask for a sign of life, and for an attempt at once", async (t) => {
  const { network, guests } = await party(t);
  const sara = await guests.join("Sara", { heartbeatInterval: 1e6, reconnectDelay: 1e6 });
  await sara.next("latency");
  sara.checkConnection();
  await sara.next("latency"); // It is there.

  network.drop();
  await sara.next("statechange", ({ state }) => state === "reconnecting");
  sara.checkConnection();
  await sara.next("welcome", ({ isResumed }) => isResumed);

  network.stall();
  sara.checkConnection();
  const { error } = await sara.next("statechange", ({ state }) => state === "reconnecting");
  assert.match(error.message, /does not answer/);
});

test("the session is over when it comes back", async (t) => {
  const { session, network, guests } = await party(t);
  const sara = await guests.join("Sara");
  await network.cut();
  const response = await fetch(`${server.url}/sessions/${session.id}`, {
    method: "DELETE",
    headers: { Authorization: `Bearer ${session.hostToken}` },
  });
  assert.equal(response.status, 204);
  await network.heal();
  const { error } = await sara.next("error");
  assert.equal(error.code, "session_not_found");
  assert.equal(sara.state, "disconnected");
});

test("leaving while it comes back frees the seat as soon as that can be said", async (t) => {
  const { network, watcher, guests } = await party(t);
  const sara = await guests.join("Sara", { reconnectDelay: 1e6 });
  await watcher.next("memberjoined");
  network.drop();
  await sara.next("statechange", ({ state }) => state === "reconnecting");
  sara.leave("Bye");
  assert.deepEqual([sara.state, sara.session], ["disconnected", null]);
  const { reason } = await watcher.next("memberleft");
  assert.equal(reason, "left");
  assert.equal(sara.state, "disconnected");
});

test("an attempt on a dead network is given up for another one", async (t) => {
  const { network, guests } = await party(t);
  const sara = await guests.join("Sara", { connectionTimeout: 1e6 });
  network.stall();
  network.drop();
  await network.next(); // The attempt is under way, and nobody answers.
  network.resume();
  const { now } = performance;
  t.after(() => {
    performance.now = now;
  });
  performance.now = () => now.call(performance) + 2_000; // It is not so young any more.
  sara.checkConnection();
  await sara.next("welcome", ({ isResumed }) => isResumed);
});

test("a second doubt does not prolong the first, and old news do not end it", async (t) => {
  const { network, watcher, guests } = await party(t);
  const sara = await guests.join("Sara", { heartbeatInterval: 1e6, reconnectDelay: 1e6 });
  await sara.next("latency");
  network.stall("up");
  sara.checkConnection();
  watcher.leave(); // MEMBER_LEFT still comes down.
  await sara.next("memberleft");
  sara.checkConnection();
  const { error } = await sara.next("statechange", ({ state }) => state === "reconnecting");
  assert.match(error.message, /does not answer/);
});

test("leaving while it comes back", async (t) => {
  const { network, guests } = await party(t);
  const sara = await guests.join("Sara", { reconnectDelay: 1e6 });
  await network.cut();
  await sara.next("statechange", ({ state }) => state === "reconnecting");
  sara.leave();
  assert.equal(sara.state, "disconnected");
  sara.leave();
  assert.equal(sara.states.length, 4);
});

test("a listener that leaves in between is obeyed", async (t) => {
  const { network, guests } = await party(t);
  const sara = await guests.join("Sara");
  sara.addEventListener("statechange", ({ detail }) => {
    if (detail.state === "reconnecting") sara.leave();
  });
  network.drop();
  await sara.next("statechange", ({ state }) => state === "disconnected");
  assert.deepEqual(sara.states, ["connecting", "connected", "reconnecting 1", "disconnected"]);
});

test("nobody there, nobody who answers, nobody who speaks the protocol", async (t) => {
  const guests = new Guests(t, { ...QUICK, sessionId: "k7m2xp", connectionTimeout: 200 });
  const silent = net.createServer(() => {}).listen(0, "127.0.0.1");
  const web = net.createServer((socket) => socket.end("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")).listen(0, "127.0.0.1");
  await Promise.all([once(silent, "listening"), once(web, "listening")]);
  const ports = [silent.address().port, web.address().port];
  for (const port of [...ports, 1]) {
    const guest = guests.make("Sara", { url: `ws://127.0.0.1:${port}` });
    await assert.rejects(guest.connect(), { code: "connection_failed" });
    assert.equal(guest.state, "disconnected");
  }
  silent.close();
  web.close();
});

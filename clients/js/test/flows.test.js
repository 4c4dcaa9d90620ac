// The protocol's flows and errors, against a real server, with each WebSocket
// that Node programs have.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { WebSocket as WsWebSocket } from "ws";
import { Guests } from "./guest.js";
import { createSession, startServer } from "./server.js";

const IMPLEMENTATIONS = { ws: WsWebSocket, ...(globalThis.WebSocket && { "Node's own": globalThis.WebSocket }) };

let server;
before(async () => {
  server = await startServer();
});
after(() => server.stop());

for (const [name, WebSocket] of Object.entries(IMPLEMENTATIONS)) {
  describe(`with the WebSocket ${name}`, () => {
    /** A session, its host and a way to make guests. */
    async function party(t, fields) {
      const session = await createSession(server, fields);
      const guests = new Guests(t, { url: session.joinUrl, WebSocket });
      const host = await guests.join("Rishad", { token: session.hostToken });
      return { session, guests, host };
    }

    test("Successful Join Flow", async (t) => {
      const { session, guests, host } = await party(t);
      const sara = guests.make("Sara");
      assert.equal(sara.state, "disconnected");

      const joining = sara.connect();
      assert.equal(sara.state, "connecting");
      assert.equal(sara.connect(), joining);
      assert.deepEqual(await joining, { id: session.id, name: "Friday Party", hostId: session.hostId });

      assert.equal(sara.state, "connected");
      assert.match(sara.clientId, /^client-/);
      assert.equal(sara.session.id, session.id);
      await sara.next("members");
      assert.deepEqual(sara.names, ["Rishad", "Sara"]);
      assert.equal(sara.members.get(session.hostId).isHost, true);
      assert.equal(sara.members.get(sara.clientId).connectionStatus, "connected");

      const { member, isBack } = await host.next("memberjoined");
      assert.deepEqual([member.id, member.name, isBack], [sara.clientId, "Sara", false]);
      assert.deepEqual(host.names, ["Rishad", "Sara"]);

      const { latency } = await sara.next("latency");
      assert.equal(sara.latency, latency);
      assert.ok(latency > 0);
      assert.deepEqual(
        sara.events.map(([type]) => type).slice(0, 4),
        ["statechange", "statechange", "welcome", "members"],
      );
    });

    test("Graceful Leave Flow", async (t) => {
      const { guests, host } = await party(t);
      const sara = await guests.join("Sara");
      const { member } = await host.next("memberjoined");

      sara.leave("Bye");

      assert.deepEqual([sara.state, sara.session, sara.clientId, sara.latency], ["disconnected", null, null, null]);
      assert.equal(sara.members.size, 0);
      assert.deepEqual(await host.next("memberleft"), { member, reason: "left" });
      assert.deepEqual(host.names, ["Rishad"]);
      // Nothing is lost for another time, but it is another seat.
      await sara.connect();
      assert.notEqual(sara.clientId, member.id);
    });

    test("a kick, and it sticks", async (t) => {
      const { guests, host } = await party(t);
      const sara = await guests.join("Sara");
      const id = sara.clientId;

      host.kick(id, "Too loud");

      assert.deepEqual(await sara.next("kicked"), { reason: "Too loud" });
      assert.deepEqual([sara.state, sara.session, sara.members.size], ["disconnected", null, 0]);
      const { member, reason } = await host.next("memberleft");
      assert.deepEqual([member.id, reason], [id, "kicked"]);
      await assert.rejects(sara.connect(), { name: "LoudSyncError", code: "unauthorized" });
      assert.equal(sara.state, "disconnected");
    });

    test("Session Closed Flow", async (t) => {
      const { guests, host } = await party(t);
      const sara = await guests.join("Sara");

      host.closeSession("Good night");

      for (const guest of [sara, host]) {
        assert.deepEqual(await guest.next("sessionclosed"), { reason: "Good night" });
        assert.deepEqual([guest.state, guest.session], ["disconnected", null]);
      }
      await assert.rejects(sara.connect(), { code: "session_not_found" });
    });

    test("Timeout Disconnect Flow", async (t) => {
      const strict = await startServer("--heartbeat-timeout", "2", "--heartbeat-check", "0.2");
      t.after(() => strict.stop());
      const session = await createSession(strict);
      const guests = new Guests(t, { url: session.joinUrl, WebSocket, heartbeatInterval: 200 });
      const host = await guests.join("Rishad", { token: session.hostToken });
      const sara = await guests.join("Sara", { heartbeatInterval: 1e6, reconnectAttempts: 0 });
      const { member } = await host.next("memberjoined");

      assert.deepEqual(await host.next("memberleft"), { member, reason: "timeout" });
      assert.equal((await sara.next("error")).error.code, "reconnection_failed");
      assert.equal(sara.state, "failed");
      assert.equal(host.state, "connected");
    });

    test("a host that leaves ends the session", async (t) => {
      const { guests, host } = await party(t);
      const sara = await guests.join("Sara");
      host.leave();
      await sara.next("sessionclosed");
    });

    test("the list is there to be asked for", async (t) => {
      const { host } = await party(t);
      host.requestMembers();
      const { members } = await host.next("members");
      assert.equal(members, host.members);
    });

    test("what only a host may do is refused to guests, who stay", async (t) => {
      const { guests, host } = await party(t);
      const sara = await guests.join("Sara");
      sara.kick(host.clientId, "Mutiny");
      assert.equal((await sara.next("error")).error.code, "unauthorized");
      sara.closeSession();
      assert.equal((await sara.next("error")).error.code, "unauthorized");
      host.kick("client-nobody");
      assert.equal((await host.next("error")).error.code, "invalid_message");
      assert.deepEqual([sara.state, host.state], ["connected", "connected"]);
    });

    test("Connection Errors", async (t) => {
      const { session, guests } = await party(t, { maxMembers: 2 });
      const sara = await guests.join("Sara", { device: { id: "the same" } });

      const refused = async (guest) => {
        const error = await guest.connect().catch((error) => error);
        assert.equal(guest.state, "disconnected");
        assert.deepEqual(guest.states, ["connecting", "disconnected"]);
        return error;
      };
      const full = await refused(guests.make("Ann"));
      assert.equal(full.code, "session_full");
      assert.deepEqual(full.details, { maxMembers: 2, currentMembers: 2 });
      assert.equal((await refused(guests.make("Sara", { device: { id: "the same" } }))).code, "already_joined");
      assert.equal((await refused(guests.make("Eve", { token: "a guess" }))).code, "unauthorized");
      const lost = guests.make("Ann", { url: server.url, sessionId: "nobody-there" });
      assert.equal((await refused(lost)).code, "session_not_found");
      const unnamed = await refused(guests.make("Ann\u0007"));
      assert.deepEqual([unnamed.code, unnamed.details.path], ["invalid_message", "$.deviceInfo.name"]);

      await assert.rejects(sara.connect(), { code: "invalid_state" });
      assert.equal(sara.session.id, session.id);
    });

    test("leaving while it connects", async (t) => {
      const { guests, host } = await party(t);
      const sara = guests.make("Sara");
      const joining = sara.connect();
      sara.leave();
      await assert.rejects(joining, { code: "left" });
      assert.deepEqual(sara.states, ["connecting", "disconnected"]);
      const ann = await guests.join("Ann");
      assert.deepEqual(ann.names, ["Rishad", "Ann"]);
      assert.throws(() => sara.requestMembers(), { code: "not_connected" });
      assert.equal(host.state, "connected");
    });
  });
}

// Listeners that act: they leave, come again and end things while being told.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { WebSocket } from "ws";
import { Guests } from "./guest.js";
import { createSession, startServer } from "./server.js";

let server;
before(async () => {
  server = await startServer();
});
after(() => server.stop());

async function party(t) {
  const session = await createSession(server);
  const guests = new Guests(t, { url: session.joinUrl, WebSocket });
  return { session, guests, host: await guests.join("Rishad", { token: session.hostToken }) };
}

/** Who is in the session, as the server has it. */
async function seated(host) {
  host.forget("members");
  host.requestMembers();
  await host.next("members");
  return host.names;
}

const once = (guest, type, isWanted, act) => {
  const listener = ({ detail }) => {
    if (!isWanted(detail)) return;
    guest.removeEventListener(type, listener);
    act();
  };
  guest.addEventListener(type, listener);
};

test("leaving when it begins to connect", async (t) => {
  const { guests, host } = await party(t);
  const sara = guests.make("Sara");
  once(sara, "statechange", ({ state }) => state === "connecting", () => sara.leave());
  await assert.rejects(sara.connect(), { code: "left" });
  assert.equal(sara.state, "disconnected");
  sara.leave();
  await guests.join("Ann"); // A round trip later there is still no Sara.
  assert.deepEqual(await seated(host), ["Rishad", "Ann"]);
});

test("leaving and connecting again when it begins to connect", async (t) => {
  const { guests, host } = await party(t);
  const sara = guests.make("Sara");
  let second;
  once(sara, "statechange", ({ state }) => state === "connecting", () => {
    sara.leave();
    second = sara.connect();
  });
  await assert.rejects(sara.connect(), { code: "left" });
  await second;
  assert.equal(sara.state, "connected");
  assert.deepEqual(await seated(host), ["Rishad", "Sara"]);
});

test("leaving when it is connected: there is no welcome", async (t) => {
  const { guests } = await party(t);
  const sara = guests.make("Sara");
  once(sara, "statechange", ({ state }) => state === "connected", () => sara.leave());
  await assert.rejects(sara.connect(), { code: "left" });
  assert.ok(!sara.events.some(([type]) => type === "welcome"));
});

test("leaving and connecting again at the welcome", async (t) => {
  const { guests, host } = await party(t);
  const sara = guests.make("Sara");
  let second;
  once(sara, "welcome", () => true, () => {
    sara.leave();
    second = sara.connect();
  });
  await assert.rejects(sara.connect(), { code: "left" });
  await second;
  assert.equal(sara.state, "connected");
  await sara.next("members", ({ members }) => members.size > 0);
  assert.deepEqual(await seated(host), ["Rishad", "Sara"]);
});

test("leaving at somebody's coming: the members are told once more, empty", async (t) => {
  const { guests, host } = await party(t);
  const sara = await guests.join("Sara");
  once(sara, "memberjoined", () => true, () => sara.leave());
  await guests.join("Ann");
  const { members } = await sara.next("members", ({ members }) => members.size === 0);
  assert.equal(members, sara.members);
  await host.next("memberleft");
});

test("the end is told in order, and connecting again at it is fine", async (t) => {
  const { guests, host } = await party(t);
  const sara = await guests.join("Sara");
  let refused;
  sara.addEventListener("kicked", () => {
    refused = sara.connect();
  });
  host.kick(sara.clientId, "Too loud");
  await sara.next("kicked");
  await assert.rejects(refused, { code: "unauthorized" });
  const ending = sara.events.map(([type]) => type).slice(-5);
  assert.deepEqual(ending, ["statechange", "members", "kicked", "statechange", "statechange"]);
});

// Not run, only checked: the declarations let in what they should, and nothing else.

import { ConnectionState, LoudSyncClient, LoudSyncError, type State, tabDeviceId } from "../loudsync.js";
import { WebSocket } from "ws";

const client = new LoudSyncClient({
  url: "ws://192.168.1.5:8080",
  sessionId: "k7m2xp",
  device: { id: tabDeviceId(), name: "Sara", type: "client" },
  token: "…",
  heartbeatInterval: 5000,
  connectionTimeout: 10000,
  reconnectAttempts: 3,
  reconnectDelay: 2000,
  WebSocket,
});
const state: State = client.state;
const isHere: boolean = state === ConnectionState.CONNECTED;
const name: string = (await client.connect()).name;
const latency: number | null = client.latency;
const clientId: string | null = client.clientId;

client.addEventListener("statechange", ({ detail }) => console.log(detail.attempt, detail.maxAttempts, detail.error?.code));
client.addEventListener("welcome", ({ detail }) => console.log(detail.session.hostId, detail.isResumed));
client.addEventListener("members", ({ detail }) => console.log(detail.members.get("host-1")?.latency));
client.addEventListener("memberjoined", ({ detail }) => console.log(detail.member.name, detail.isBack));
client.addEventListener("memberleft", ({ detail }) => console.log(detail.reason === "timeout"));
client.addEventListener("kicked", ({ detail }) => console.log(detail.reason));
client.addEventListener("sessionclosed", ({ detail }) => console.log(detail.reason));
client.addEventListener("latency", ({ detail }) => console.log(detail.latency.toFixed(1)), { once: true });
client.addEventListener("error", ({ detail }) => console.log(detail.error instanceof LoudSyncError));
for (const member of client.members.values()) client.kick(member.id, "Too loud");
client.requestMembers();
client.checkConnection();
client.closeSession("Good night");
client.leave();
console.log(isHere, name, latency, clientId);

// @ts-expect-error: who joins needs a name
new LoudSyncClient({ sessionId: "k7m2xp", device: {} });
// @ts-expect-error: there is no such event
client.addEventListener("joined", () => {});
// @ts-expect-error: nobody changes who is here but the server
client.members.clear();
// @ts-expect-error: nor the state
client.state = "connected";

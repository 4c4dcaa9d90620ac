// Benchmark peer: the shortest honest LoudSync server on Node.js and `ws`.
// Usage: node node_ws.mjs SESSIONS MAX_MEMBERS; prints `port N` when it is ready.
// Tuned as ws advises: no compression, bufferutil installed, no client tracking.
// Leaves out: heartbeat timeouts, latency, rate and backpressure limits, remote
// hosts and kicking, the HTTP API, the liveness check before a seat is taken over.
import { WebSocketServer } from "ws";

const [sessionCount, maxMembers] = process.argv.slice(2).map(Number);
const host = {
  id: "host-1",
  name: "Host",
  isHost: true,
  connectionStatus: "disconnected",
  joinedAt: Date.now(),
};
const sessions = new Map();
for (let n = 0; n < sessionCount; n++) {
  sessions.set(`p${n}`, { id: `p${n}`, members: new Map(), lastNumber: 0 });
}

const encode = (type, fields) =>
  JSON.stringify({ type, timestamp: Date.now(), ...fields });

const memberList = ({ members }) =>
  encode("member_list", {
    members: [host, ...Array.from(members.values(), (member) => member.info)],
  });

const isText = (value, maxLength) =>
  typeof value === "string" && value.length >= 1 && value.length <= maxLength;

function broadcast(session, text, except) {
  const payload = Buffer.from(text);
  for (const { socket } of session.members.values()) {
    if (socket !== null && socket !== except) socket.send(payload, { binary: false });
  }
}

function refuse(socket, code, message, details) {
  socket.send(encode("error", { code, message, details }));
}

function join(socket, { sessionId, deviceInfo }) {
  if (socket.member) return refuse(socket, "already_joined", "Already joined");
  if (!isText(deviceInfo?.id, 128) || !isText(deviceInfo.name, 64)) {
    return refuse(socket, "invalid_message", "deviceInfo is invalid");
  }
  const session = sessions.get(sessionId);
  if (!session) return refuse(socket, "session_not_found", "No such session");

  const { members } = session;
  let member = members.get(deviceInfo.id);
  if (member) {
    const oldSocket = member.socket;
    if (oldSocket !== null) {
      oldSocket.member = null;
      oldSocket.terminate();
    }
    member.info.connectionStatus = "connected";
  } else if (members.size + 1 >= maxMembers) {
    const details = { maxMembers, currentMembers: members.size + 1 };
    return refuse(socket, "session_full", "The session is full", details);
  } else {
    const info = {
      id: `client-${++session.lastNumber}`,
      name: deviceInfo.name,
      isHost: false,
      connectionStatus: "connected",
      joinedAt: Date.now(),
    };
    member = { session, deviceId: deviceInfo.id, info };
    members.set(deviceInfo.id, member);
  }
  member.socket = socket;
  member.lastHeartbeat = Date.now();
  socket.member = member;

  const sessionInfo = { id: session.id, name: "Party", hostId: host.id };
  socket.send(encode("welcome", { clientId: member.info.id, sessionInfo }));
  socket.send(memberList(session));
  broadcast(session, encode("member_joined", { member: member.info }), socket);
}

function freeSeat({ session, deviceId, info }) {
  session.members.delete(deviceId);
  broadcast(session, encode("member_left", { memberId: info.id, reason: "left" }));
}

function onMessage(socket, data) {
  let message;
  try {
    message = JSON.parse(data);
  } catch {
    return refuse(socket, "invalid_message", "Not JSON");
  }
  if (typeof message?.type !== "string" || typeof message.timestamp !== "number") {
    return refuse(socket, "invalid_message", "type or timestamp is invalid");
  }
  const { member } = socket;
  if (message.type === "ping") {
    socket.send(JSON.stringify({ type: "pong", timestamp: message.timestamp }));
  } else if (message.type === "join") {
    join(socket, message);
  } else if (!member) {
    refuse(socket, "unauthorized", "Join first");
  } else if (message.type === "heartbeat") {
    member.lastHeartbeat = Date.now();
  } else if (message.type === "leave") {
    socket.member = null;
    freeSeat(member);
    socket.close(1000);
  } else {
    refuse(socket, "invalid_message", "Unknown type");
  }
}

function onClose({ member }, code) {
  if (!member) return;
  if (code === 1000) return freeSeat(member);
  member.socket = null;
  member.info.connectionStatus = "reconnecting";
  broadcast(member.session, memberList(member.session));
}

const server = new WebSocketServer({
  host: "127.0.0.1",
  port: 0,
  backlog: 4096,
  clientTracking: false,
  maxPayload: 16 * 1024,
  perMessageDeflate: false,
});
server.on("connection", (socket) => {
  socket.member = null;
  socket.on("message", (data) => onMessage(socket, data));
  socket.on("close", (code) => onClose(socket, code));
  socket.on("error", () => {}); // A close event follows each error.
});
server.on("listening", () => console.log(`port ${server.address().port}`));

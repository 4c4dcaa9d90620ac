// Benchmark peer: the shortest honest LoudSync server on Node.js and socket.io.
// Usage: node socket_io.mjs SESSIONS MAX_MEMBERS; prints `port N` when it is ready.
// A session is a room; messages are the event "message", both ways. Socket.IO hides
// close codes: its client's own disconnect() stands for 1000, any other end for 1006.
// Leaves out: heartbeat timeouts, latency, rate and backpressure limits, remote
// hosts, kicking, the HTTP API, the liveness check before a seat is taken over.
import { createServer } from "node:http";
import { Server } from "socket.io";

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

/** Send a protocol message to a socket or, with socket.to(room), to a room. */
function send(target, type, fields) {
  target.emit("message", { type, timestamp: Date.now(), ...fields });
}

function sendMemberList(target, { members }) {
  const infos = Array.from(members.values(), (member) => member.info);
  send(target, "member_list", { members: [host, ...infos] });
}

const isText = (value, maxLength) =>
  typeof value === "string" && value.length >= 1 && value.length <= maxLength;

function refuse(socket, code, message, details) {
  send(socket, "error", { code, message, details });
}

function join(socket, { sessionId, deviceInfo }) {
  if (socket.data.member) return refuse(socket, "already_joined", "Already joined");
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
      oldSocket.data.member = null;
      oldSocket.disconnect(true);
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
  socket.data.member = member;

  const sessionInfo = { id: session.id, name: "Party", hostId: host.id };
  send(socket, "welcome", { clientId: member.info.id, sessionInfo });
  sendMemberList(socket, session);
  socket.join(session.id);
  send(socket.to(session.id), "member_joined", { member: member.info });
}

function freeSeat(socket, { session, deviceId, info }) {
  session.members.delete(deviceId);
  const left = { memberId: info.id, reason: "left" };
  send(socket.to(session.id), "member_left", left);
}

function onMessage(socket, message) {
  if (typeof message?.type !== "string" || typeof message.timestamp !== "number") {
    return refuse(socket, "invalid_message", "type or timestamp is invalid");
  }
  const { member } = socket.data;
  if (message.type === "ping") {
    socket.emit("message", { type: "pong", timestamp: message.timestamp });
  } else if (message.type === "join") {
    join(socket, message);
  } else if (!member) {
    refuse(socket, "unauthorized", "Join first");
  } else if (message.type === "heartbeat") {
    member.lastHeartbeat = Date.now();
  } else if (message.type === "leave") {
    socket.data.member = null;
    freeSeat(socket, member);
    socket.disconnect(true);
  } else {
    refuse(socket, "invalid_message", "Unknown type");
  }
}

function onDisconnect(socket, reason) {
  const { member } = socket.data;
  if (!member) return;
  if (reason === "client namespace disconnect") return freeSeat(socket, member);
  member.socket = null;
  member.info.connectionStatus = "reconnecting";
  sendMemberList(socket.to(member.session.id), member.session);
}

const httpServer = createServer();
const io = new Server(httpServer, {
  maxHttpBufferSize: 16 * 1024,
  perMessageDeflate: false,
  serveClient: false,
  transports: ["websocket"],
});
io.engine.on("connection", (rawSocket) => {
  rawSocket.request = null; // Frees memory; socket.io's "Performance tuning" advises it.
});
io.on("connection", (socket) => {
  socket.on("message", (message) => onMessage(socket, message));
  socket.on("disconnect", (reason) => onDisconnect(socket, reason));
});
httpServer.listen({ host: "127.0.0.1", port: 0, backlog: 4096 }, () => {
  console.log(`port ${httpServer.address().port}`);
});

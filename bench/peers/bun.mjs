// Benchmark peer: the shortest honest LoudSync server on Bun.serve, broadcasting
// with Bun's native publish/subscribe: one topic per session.
// Usage: bun bun.mjs SESSIONS MAX_MEMBERS; prints `port N` when it is ready.
// Leaves out: heartbeat timeouts, latency, rate and backpressure limits, remote
// hosts and kicking, the HTTP API, the liveness check before a seat is taken over.

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

function refuse(socket, code, message, details) {
  socket.send(encode("error", { code, message, details }));
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
  socket.data.member = member;

  const sessionInfo = { id: session.id, name: "Party", hostId: host.id };
  socket.send(encode("welcome", { clientId: member.info.id, sessionInfo }));
  socket.send(memberList(session));
  socket.subscribe(session.id);
  // To every subscriber but the socket itself.
  socket.publish(session.id, encode("member_joined", { member: member.info }));
}

function freeSeat({ session, deviceId, info }) {
  session.members.delete(deviceId);
  const left = encode("member_left", { memberId: info.id, reason: "left" });
  server.publish(session.id, left);
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
  const { member } = socket.data;
  if (message.type === "ping") {
    socket.send(JSON.stringify({ type: "pong", timestamp: message.timestamp }));
  } else if (message.type === "join") {
    join(socket, message);
  } else if (!member) {
    refuse(socket, "unauthorized", "Join first");
  } else if (message.type === "heartbeat") {
    member.lastHeartbeat = Date.now();
  } else if (message.type === "leave") {
    socket.data.member = null;
    socket.unsubscribe(member.session.id);
    freeSeat(member);
    socket.close(1000);
  } else {
    refuse(socket, "invalid_message", "Unknown type");
  }
}

function onClose({ data: { member } }, code) {
  if (!member) return;
  if (code === 1000) return freeSeat(member);
  member.socket = null;
  member.info.connectionStatus = "reconnecting";
  server.publish(member.session.id, memberList(member.session));
}

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0, // Bun has no setting for the backlog.
  fetch(request, server) {
    if (server.upgrade(request, { data: { member: null } })) return;
    return new Response("Not a WebSocket request", { status: 400 });
  },
  websocket: {
    message: onMessage,
    close: onClose,
    maxPayloadLength: 16 * 1024,
    perMessageDeflate: false,
    idleTimeout: 0, // Staying alive is the protocol's business, not a timer's here.
    sendPings: false,
  },
});
console.log(`port ${server.port}`);

// Keeping a seat in a session: join, stay alive, come back when the connection
// is lost. It speaks protocol v1.0, whose section names stand in quotes here.

// "Timeout Behavior"
const HEARTBEAT_MS = 5_000;
const UNANSWERED_PINGS = 3;
const RECONNECT_DELAY_MS = 2_000;
// Up to this share of the wait is added, so that a crowd does not come back as one.
const RECONNECT_SPREAD = 0.25;
const CONNECTION_TIMEOUT_MS = 10_000;
export const RECONNECT_ATTEMPTS = 3;

// Nothing announces latencies, so the list is asked for every second heartbeat;
// in a crowd less often, as each list grows with it.
const LIST_EVERY_BEATS = 2;
const MEMBERS_PER_BEAT = 50;

// Refusals that another attempt can't change; a full session may have a seat soon.
const FINAL_CODES = ["session_not_found", "unauthorized", "version_mismatch", "invalid_message"];

const timers = new Worker("/timers.js");

/** Wait, also in a hidden tab; the page's own timer is for when no worker runs. */
function sleep(ms) {
  return new Promise((wake) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      wake();
    };
    timers.postMessage(ms, [port2]);
    setTimeout(wake, ms);
  });
}

/**
 * Join and stay until it is over ("Reconnection Logic").
 *
 * `request` has code, name, deviceId, and `left`, a promise that is fulfilled
 * when the person leaves. `show` is told what happens, under the messages' own
 * names, besides `reconnecting(attempt)` and `latency(ms)`.
 *
 * Gives why it ended: `{ why, … }` with "left"; "kicked" or "session_closed" and
 * reason; "refused" and code, message, details; "unreachable" and cause.
 * `attempts` is how often it tried to come back since it was last there.
 */
export async function keepSeat(request, show) {
  const seat = { ...request, show, memberId: null, memberCount: 0 };
  let attempts = 0;
  let end = await converse(seat);
  while (seat.memberId && !isFinal(end)) {
    if (end.wasJoined) attempts = 0;
    if (attempts === RECONNECT_ATTEMPTS) break;
    attempts += 1;
    show.reconnecting(attempts);
    const delay = RECONNECT_DELAY_MS * (1 + RECONNECT_SPREAD * Math.random());
    const isLeft = await Promise.race([sleep(delay), seat.left.then(() => true)]);
    end = isLeft ? { why: "left" } : await converse(seat);
  }
  return { ...end, attempts };
}

function isFinal({ why, code }) {
  return why === "refused" ? FINAL_CODES.includes(code) : why !== "unreachable";
}

/** Hold one connection until it ends; tell why it did. */
function converse(seat) {
  return new Promise((resolve) => {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/ws`);
    const link = { socket, hasEnded: false, wasJoined: false, unanswered: 0, ping: null };

    link.send = (type, fields) => {
      socket.send(JSON.stringify({ type, timestamp: Date.now(), ...fields }));
    };
    link.end = (end) => {
      if (link.hasEnded) return;
      link.hasEnded = true;
      // 1000 gives the seat up; any other end keeps it to come back to.
      if (isFinal(end) || !seat.memberId) socket.close(1000);
      else socket.close();
      resolve({ ...end, wasJoined: link.wasJoined });
    };

    socket.onopen = () => {
      const deviceInfo = { id: seat.deviceId, name: seat.name, type: "client" };
      link.send("join", { sessionId: seat.code, deviceInfo });
    };
    socket.onmessage = ({ data }) => {
      if (!link.hasEnded) receive(seat, link, JSON.parse(data));
    };
    socket.onclose = () => link.end({ why: "unreachable", cause: "There is no connection to the server." });
    sleep(CONNECTION_TIMEOUT_MS).then(() => {
      if (!link.wasJoined) link.end({ why: "unreachable", cause: "The server did not answer in time." });
    });
    seat.left.then(() => {
      if (link.wasJoined && socket.readyState === WebSocket.OPEN) link.send("leave");
      link.end({ why: "left" });
    });
  });
}

function receive(seat, link, message) {
  const { show } = seat;
  link.unanswered = 0;
  switch (message.type) {
    case "welcome":
      link.wasJoined = true;
      seat.memberId = message.clientId;
      show.welcome(message);
      keepAlive(seat, link);
      break;
    case "member_list":
      seat.memberCount = message.members.length;
      show.memberList(message);
      break;
    case "member_joined":
      show.memberJoined(message);
      break;
    case "member_left":
      show.memberLeft(message);
      break;
    case "pong":
      if (message.timestamp === link.ping?.timestamp) {
        show.latency(performance.now() - link.ping.sentAt);
      }
      break;
    case "kicked":
    case "session_closed":
      link.end({ why: message.type, reason: message.reason });
      break;
    case "error":
      // Once joined it is no end ("Connection Errors": log, continue listening).
      if (link.wasJoined) console.warn("The server refused a message", message);
      else link.end({ why: "refused", ...message });
      break;
  }
}

/** Send HEARTBEAT and PING, and listen for silence, until the connection ends. */
async function keepAlive(seat, link) {
  for (let beat = 0; link.socket.readyState === WebSocket.OPEN; beat += 1) {
    if (link.unanswered === UNANSWERED_PINGS) {
      link.end({ why: "unreachable", cause: "The server fell silent." });
      return;
    }
    link.unanswered += 1;
    link.send("heartbeat");
    link.ping = { timestamp: Date.now(), sentAt: performance.now() };
    link.send("ping", { timestamp: link.ping.timestamp });
    const listEvery = Math.max(LIST_EVERY_BEATS, Math.ceil(seat.memberCount / MEMBERS_PER_BEAT));
    if (beat % listEvery === 1) link.send("member_list");
    await sleep(HEARTBEAT_MS);
  }
}

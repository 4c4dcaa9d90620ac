// The LoudSync client: protocol v1.0 over one WebSocket, for browsers, React
// Native and Node. It has no dependencies, and this file is all of it. Names in
// quotes, like "Timeout Behavior", are sections of the protocol.
//
// From top to bottom: the protocol's words and numbers; what a program sees
// (errors, events, LoudSyncClient); one connection; what is around it (time,
// the page, the device).

/** @import * as Api from "./loudsync.d.ts" */

// --- The protocol's words and numbers -------------------------------------------

/** "Connection States" */
export const ConnectionState = Object.freeze({
  DISCONNECTED: "disconnected",
  CONNECTING: "connecting",
  CONNECTED: "connected",
  RECONNECTING: "reconnecting",
  FAILED: "failed",
});

/** Every change of state; what is not here can't happen. */
const TRANSITIONS = {
  disconnected: { connect: "connecting" },
  connecting: { welcome: "connected", lost: "disconnected", end: "disconnected" },
  connected: { lost: "reconnecting", give_up: "failed", end: "disconnected" },
  reconnecting: { welcome: "connected", lost: "reconnecting", give_up: "failed", end: "disconnected" },
  failed: { connect: "connecting", end: "disconnected" },
};

/** Milliseconds, but for the attempts ("Timeout Behavior", "Reconnection Logic"). */
const DEFAULTS = Object.freeze({
  heartbeatInterval: 5_000,
  connectionTimeout: 10_000,
  reconnectAttempts: 3,
  reconnectDelay: 2_000,
  // Up to this share of the delay is added at random, so that a crowd that lost
  // its server does not come back as one.
  reconnectSpread: 0.25,
});

/** What `setTimeout` can wait for. */
const MOST_MS = 2 ** 31 - 1;

/**
 * How long an answer may take when the connection is in doubt. With a heartbeat
 * before it there is time left to come back before the server's timeout.
 */
const PROBE_TIMEOUT_MS = 2_000;

/** An attempt this young is not given up for another one. */
const FRESH_MS = 1_000;

/** Gives the seat up; without LEAVE, every other code lets it wait. */
const CLOSE_NORMAL = 1000;

/** Our own, since React Native takes none at all for 1000. */
const CLOSE_KEEPING_SEAT = 4000;

/** Refusals that the same JOIN can't change; other ones are failed attempts. */
const FINAL_CODES = ["session_not_found", "unauthorized", "version_mismatch", "invalid_message"];

/** @type {(value: any) => boolean} */
const isText = (value) => typeof value === "string";
/** @type {(value: any) => boolean} */
const isTextOrAbsent = (value) => value === undefined || isText(value);
/** @type {(value: any) => boolean} */
const isMember = (value) => isText(value?.id) && isText(value.name) && isText(value.connectionStatus);

/**
 * What each of the server's messages must have ("Server-to-Client Messages").
 * @type {Record<string, (message: any) => boolean>}
 */
const SERVER_MESSAGES = {
  welcome: ({ clientId, sessionInfo }) => isText(clientId) && isText(sessionInfo?.id) && isText(sessionInfo.name),
  member_list: ({ members }) => Array.isArray(members) && members.every(isMember),
  member_joined: ({ member }) => isMember(member),
  member_left: ({ memberId, reason }) => isText(memberId) && isTextOrAbsent(reason),
  kicked: ({ reason }) => isTextOrAbsent(reason),
  session_closed: ({ reason }) => isTextOrAbsent(reason),
  pong: ({ timestamp }) => typeof timestamp === "number",
  error: ({ code, message }) => isText(code) && isTextOrAbsent(message),
};

// --- What a program sees ----------------------------------------------------------

/** @implements {Api.LoudSyncError} */
export class LoudSyncError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {Record<string, unknown>} [details]
   */
  constructor(code, message, details = {}) {
    super(message);
    this.name = "LoudSyncError";
    this.code = code;
    this.details = details;
  }
}

// React Native has neither of the two.
const PlainEvent = globalThis.Event ?? class {
  /** @param {string} type */
  constructor(type) {
    this.type = type;
  }
};

/** @type {typeof globalThis.EventTarget} */
const PlainEventTarget = globalThis.EventTarget ?? class {
  /** @type {Map<string, Map<any, any>>} */
  #listeners = new Map();

  /** @param {string} type @param {any} listener @param {any} options */
  addEventListener(type, listener, options) {
    const listeners = this.#listeners.get(type) ?? new Map();
    this.#listeners.set(type, listeners);
    if (!listeners.has(listener)) listeners.set(listener, options?.once ?? false);
    options?.signal?.addEventListener("abort", () => this.removeEventListener(type, listener));
  }

  /** @param {string} type @param {any} listener */
  removeEventListener(type, listener) {
    this.#listeners.get(type)?.delete(listener);
  }

  /** @param {any} event */
  dispatchEvent(event) {
    const listeners = this.#listeners.get(event.type) ?? new Map();
    for (const [listener, isOnce] of [...listeners]) {
      if (!listeners.has(listener)) continue;
      if (isOnce) listeners.delete(listener);
      try {
        if (listener.handleEvent) listener.handleEvent(event);
        else listener.call(this, event);
      } catch (error) {
        console.error(error); // One listener's fault is not the next one's.
      }
    }
    return true;
  }
};

/** Something that happened; `detail` tells what. */
class LoudSyncEvent extends PlainEvent {
  /**
   * @param {string} type
   * @param {object} detail
   */
  constructor(type, detail) {
    super(type);
    this.detail = detail;
  }
}

/** @implements {Omit<Api.LoudSyncClient, "addEventListener" | "removeEventListener">} */
export class LoudSyncClient extends PlainEventTarget {
  /** @type {ReturnType<typeof checkOptions>} */
  #options;
  #clock;
  /** @type {Api.State} */
  #state = "disconnected";
  /** The reconnection attempt that is waited for or under way, from 1. */
  #attempt = 0;
  /** @type {Connection | null} */
  #connection = null;
  /** @type {{ promise: Promise<Api.SessionInfo>, resolve: (session: Api.SessionInfo) => void, reject: (error: LoudSyncError) => void } | null} */
  #connecting = null;
  #cancelWait = () => {};
  #stopWatching = () => {};
  /** @type {string | null} */
  #clientId = null;
  /** @type {Api.SessionInfo | null} */
  #session = null;
  /** @type {Map<string, Api.MemberInfo>} */
  #members = new Map();
  /** @type {number | null} */
  #latency = null;

  /** @param {Api.LoudSyncOptions} options */
  constructor(options) {
    super();
    this.#options = checkOptions(options);
    this.#clock = clockFor(this.#options.workerUrl);
  }

  get state() {
    return this.#state;
  }

  get attempt() {
    return this.#attempt;
  }

  get clientId() {
    return this.#clientId;
  }

  get session() {
    return this.#session;
  }

  get members() {
    return this.#members;
  }

  get latency() {
    return this.#latency;
  }

  connect() {
    if (this.#connecting) return this.#connecting.promise;
    if (this.#state !== "disconnected" && this.#state !== "failed") {
      return Promise.reject(new LoudSyncError("invalid_state", `The client is ${this.#state} already`));
    }
    /** @type {any} */
    const connecting = {};
    connecting.promise = new Promise((resolve, reject) => Object.assign(connecting, { resolve, reject }));
    this.#connecting = connecting;
    this.#attempt = 0;
    this.#stopWatching = watchPage({
      onBack: () => this.checkConnection(),
      onNetworkBack: () => this.#comeBackNow({ evenIfFresh: true }),
      onDoubt: () => this.#connection?.probe(),
      onAway: () => this.#onAway(),
    });
    this.#change("connect");
    // A listener may have left in between.
    if (this.#connecting === connecting && !this.#connection) this.#open();
    return connecting.promise;
  }

  /** @param {string} [reason] */
  leave(reason) {
    if (this.#state === "disconnected") return;
    if (this.#state === "reconnecting") this.#leaveQuietly(reason);
    else this.#connection?.leave(reason);
    this.#end(new LoudSyncError("left", "The client left"));
  }

  /** @param {string} memberId @param {string} [reason] */
  kick(memberId, reason) {
    this.#request("kicked", { memberId, reason });
  }

  /** @param {string} [reason] */
  closeSession(reason) {
    this.#request("session_closed", { reason });
  }

  requestMembers() {
    this.#request("member_list");
  }

  checkConnection() {
    this.#comeBackNow({ evenIfFresh: false });
  }

  /** @param {{ evenIfFresh: boolean }} how */
  #comeBackNow({ evenIfFresh }) {
    if (this.#state === "connected") {
      this.#connection?.probe({ isBack: true });
    } else if (this.#state === "reconnecting" && (evenIfFresh || !this.#connection?.isFresh)) {
      // An attempt that began on a dead network would only be waited for.
      this.#drop(CLOSE_KEEPING_SEAT);
      this.#attemptAfresh();
    }
  }

  /**
   * The seat is still there: try once to say that it is free.
   * @param {string} [reason]
   */
  #leaveQuietly(reason) {
    this.#drop(CLOSE_KEEPING_SEAT);
    const ignore = () => {};
    const goodbye = new Connection(this.#options, this.#clock, {
      isFirst: false,
      onMessage: ({ type }) => type === "welcome" && goodbye.leave(reason),
      onLatency: ignore,
      onFault: ignore,
      onRefused: ignore,
      onLost: ignore,
    });
  }

  /** @param {string} type @param {object} [fields] */
  #request(type, fields) {
    if (this.#state !== "connected" || !this.#connection?.send(type, fields)) {
      throw new LoudSyncError("not_connected", `There is no connection now: the client is ${this.#state}`);
    }
  }

  /** @param {number} code Whether the seat waits. */
  #drop(code) {
    this.#connection?.drop(code);
    this.#connection = null;
  }

  #open() {
    this.#cancelWait();
    this.#connection = new Connection(this.#options, this.#clock, {
      isFirst: this.#state === "connecting",
      onMessage: (message) => this.#receive(message),
      onLatency: (latency) => {
        this.#latency = latency;
        this.#tell("latency", { latency });
      },
      onFault: (error) => this.#tell("error", { error }),
      onRefused: (error) => this.#onRefused(error),
      onLost: (error, { isBack }) => this.#onLost(error, isBack),
    });
  }

  /** @param {any} message */
  #receive(message) {
    switch (message.type) {
      case "welcome":
        return this.#onWelcome(message);
      case "member_list":
        this.#members.clear();
        for (const member of message.members) this.#members.set(member.id, member);
        return this.#tell("members", { members: this.#members });
      case "member_joined": {
        const { member } = message;
        const isBack = this.#members.has(member.id);
        this.#members.set(member.id, member);
        return this.#tellChange("memberjoined", { member, isBack });
      }
      case "member_left": {
        const member = this.#members.get(message.memberId);
        if (!member) return;
        this.#members.delete(member.id);
        return this.#tellChange("memberleft", { member, reason: message.reason });
      }
      case "kicked": {
        const reason = message.reason ?? "";
        this.#end(new LoudSyncError("kicked", reason || "The host removed you from the session"));
        return this.#tell("kicked", { reason });
      }
      case "session_closed": {
        const reason = message.reason ?? "";
        this.#end(new LoudSyncError("session_closed", reason || "The session was closed"));
        return this.#tell("sessionclosed", { reason });
      }
    }
  }

  /** @param {{ clientId: string, sessionInfo: Api.SessionInfo }} message */
  #onWelcome({ clientId, sessionInfo }) {
    const connection = this.#connection;
    const connecting = this.#connecting;
    const isResumed = clientId === this.#clientId;
    this.#clientId = clientId;
    this.#session = sessionInfo;
    this.#attempt = 0;
    this.#change("welcome");
    // A listener may have left, each time.
    if (this.#connection === connection) this.#tell("welcome", { clientId, session: sessionInfo, isResumed });
    if (this.#connection !== connection) return;
    this.#connecting = null;
    connecting?.resolve(sessionInfo);
  }

  /** @param {LoudSyncError} error */
  #onRefused(error) {
    this.#connection = null;
    if (this.#state === "connecting" || FINAL_CODES.includes(error.code)) {
      this.#end(error);
    } else {
      this.#onLost(error, false);
    }
  }

  /**
   * Come back, or see that it can't be ("Reconnection Logic").
   * @param {LoudSyncError} error
   * @param {boolean} isBack Whether there is reason to hope for better at once.
   */
  #onLost(error, isBack) {
    this.#connection = null;
    this.#latency = null;
    if (this.#state === "connecting") {
      this.#end(error, "lost");
    } else if (this.#attempt >= this.#options.reconnectAttempts) {
      const { code, message } = error;
      const attempts = this.#attempt;
      this.#end(
        new LoudSyncError("reconnection_failed", `${attempts} attempts to come back failed. ${message}`, { attempts, code }),
        "give_up",
      );
    } else {
      this.#attempt += 1;
      this.#change("lost", error);
      const delay = this.#options.reconnectDelay * (1 + this.#options.reconnectSpread * Math.random());
      // A listener may have left, or come back, in between.
      if (this.#state === "reconnecting" && !this.#connection) this.#waitToOpen(isBack ? 0 : delay);
    }
  }

  /** @param {number} delay */
  #waitToOpen(delay) {
    this.#cancelWait();
    this.#cancelWait = this.#clock.after(delay, () => this.#open());
  }

  /** Begin again to count: whatever was in the way may be gone. */
  #attemptAfresh() {
    if (this.#attempt !== 1) {
      this.#attempt = Math.min(1, this.#options.reconnectAttempts);
      this.#change("lost");
    }
    if (this.#state === "reconnecting" && !this.#connection) this.#open();
  }

  /** The page is put to sleep: let go of the connection, but not of the seat. */
  #onAway() {
    if (this.#state !== "connected" && this.#state !== "reconnecting") return;
    this.#drop(CLOSE_KEEPING_SEAT);
    if (this.#state === "connected") {
      this.#latency = null;
      this.#attempt = Math.min(1, this.#options.reconnectAttempts);
      this.#change("lost", new LoudSyncError("connection_failed", "The page was put to sleep."));
    }
    // Awake sooner than anybody told: then this comes due.
    if (this.#state === "reconnecting" && !this.#connection) this.#waitToOpen(this.#options.reconnectDelay);
  }

  /**
   * It is over: clear what was known of the session.
   * @param {LoudSyncError} error
   * @param {"end" | "lost" | "give_up"} [trigger]
   */
  #end(error, trigger = "end") {
    const connecting = this.#connecting;
    this.#connecting = null;
    this.#drop(CLOSE_NORMAL);
    this.#cancelWait();
    this.#stopWatching();
    this.#clientId = null;
    this.#session = null;
    const hadMembers = this.#members.size > 0;
    this.#members.clear();
    this.#latency = null;
    const attempts = this.#attempt;
    this.#attempt = 0;
    this.#change(trigger, error, trigger === "give_up" ? attempts : 0);
    if (hadMembers) this.#tell("members", { members: this.#members });
    if (connecting) connecting.reject(error);
    else if (!["left", "kicked", "session_closed"].includes(error.code)) this.#tell("error", { error });
  }

  /**
   * @param {"connect" | "welcome" | "lost" | "give_up" | "end"} trigger
   * @param {LoudSyncError} [error] Why.
   */
  #change(trigger, error, attempt = this.#attempt) {
    /** @type {Record<string, Record<string, string>>} */
    const transitions = TRANSITIONS;
    this.#state = /** @type {Api.State} */ (transitions[this.#state][trigger]);
    this.#tell("statechange", {
      state: this.#state,
      attempt,
      maxAttempts: this.#options.reconnectAttempts,
      error,
    });
  }

  /**
   * Tell one change of the members, and then that they have changed.
   * @param {string} type
   * @param {object} detail
   */
  #tellChange(type, detail) {
    const connection = this.#connection;
    this.#tell(type, detail);
    if (this.#connection === connection) this.#tell("members", { members: this.#members });
  }

  /** @param {string} type @param {object} detail */
  #tell(type, detail) {
    this.dispatchEvent(/** @type {any} */ (new LoudSyncEvent(type, detail)));
  }
}

/**
 * Check what a program gave, and fill in what it left out.
 * @param {Api.LoudSyncOptions} options
 */
function checkOptions(options) {
  const { url, sessionId } = readUrl(options?.url ?? globalThis.location?.origin, options?.sessionId);
  /** @type {(name: string, problem: string) => never} */
  const refuse = (name, problem) => {
    throw new LoudSyncError("invalid_option", `${name} ${problem}`, { path: name });
  };
  if (!url) refuse("url", "must be like ws://192.168.1.5:8080 or http://192.168.1.5:8080/?session=CODE");
  if (!isText(sessionId) || !sessionId) refuse("sessionId", "is missing; give it, or a url that ends in ?session=CODE");
  const { device, token, workerUrl } = options;
  if (!isText(device?.name) || !device.name.trim()) refuse("device.name", "is missing; it is what the others see");
  /** @type {any} */
  const numbers = {};
  for (const [name, value] of Object.entries(DEFAULTS)) {
    const given = /** @type {any} */ (options)[name] ?? value;
    const least = name.startsWith("reconnect") ? 0 : 1;
    if (!Number.isFinite(given) || given < least || given > MOST_MS) {
      refuse(name, `must be a number from ${least} to ${MOST_MS}`);
    }
    numbers[name] = given;
  }
  const WebSocket = /** @type {new (url: string) => WebSocket} */ (options.WebSocket ?? globalThis.WebSocket);
  if (!WebSocket) refuse("WebSocket", "is missing here; give one, such as that of the package ws");
  return {
    .../** @type {Required<Record<keyof typeof DEFAULTS, number>>} */ (numbers),
    url,
    sessionId: /** @type {string} */ (sessionId),
    token,
    workerUrl,
    WebSocket,
    device: chooseDevice(device, token),
  };
}

/**
 * Where the WebSocket is, and which session a join link names. By hand, since
 * React Native's own URL can't tell.
 * @param {unknown} text
 * @param {string | undefined} sessionId
 */
function readUrl(text, sessionId) {
  const parts = /^(http|ws)(s?):\/\/([^/?#\s]+)([^?#\s]*)\??([^#\s]*)(#\S*)?$/i.exec(String(text ?? ""));
  if (!parts) return { url: "", sessionId };
  const [, , secure, host, path, query] = parts;
  const pairs = query.split("&").filter(Boolean);
  const linked = pairs.find((pair) => pair.startsWith("session="))?.slice("session=".length);
  const rest = pairs.filter((pair) => !pair.startsWith("session=")).join("&");
  try {
    sessionId ??= linked && decodeURIComponent(linked);
  } catch {
    // Then the link names none.
  }
  const root = `ws${secure.toLowerCase()}://${host}${path === "" || path === "/" ? "/ws" : path}`;
  return { url: rest ? `${root}?${rest}` : root, sessionId };
}

// --- One connection ---------------------------------------------------------------

/**
 * One WebSocket, from opening it to its end: JOIN, heartbeats, silence, latency.
 *
 * After `drop`, `onRefused` or `onLost` nothing more is told.
 */
class Connection {
  #options;
  #clock;
  #told;
  /** @type {WebSocket | null} */
  #socket = null;
  #isOver = false;
  #hasJoined = false;
  #hasNewDevice = false;
  #openedAt = performance.now();
  /** Whether anything has come since the last beat. */
  #isHeard = true;
  #ping = { timestamp: 0, sentAt: 0 };
  /** Doubts that it is still there: since which PING. @type {{ timestamp: number, isBack: boolean, cancel: () => void } | null} */
  #probe = null;
  #cancelLimit = () => {};
  #cancelBeat = () => {};

  /**
   * @param {ReturnType<typeof checkOptions>} options
   * @param {Clock} clock
   * @param {{
   *   isFirst: boolean,
   *   onMessage: (message: any) => void,
   *   onLatency: (ms: number) => void,
   *   onFault: (error: LoudSyncError) => void,
   *   onRefused: (error: LoudSyncError) => void,
   *   onLost: (error: LoudSyncError, hint: { isBack: boolean }) => void,
   * }} told
   */
  constructor(options, clock, told) {
    this.#options = options;
    this.#clock = clock;
    this.#told = told;
    const { connectionTimeout, url, WebSocket } = options;
    this.#cancelLimit = clock.after(connectionTimeout, () => {
      this.#lose(`${url} did not answer within ${connectionTimeout / 1000} s.`);
    });
    try {
      this.#socket = new WebSocket(url);
    } catch (error) {
      // Such as an https page that asks for ws: the browser won't.
      clock.after(0, () => this.#lose(/** @type {Error} */ (error).message));
      return;
    }
    // They stay to the end: the package ws throws errors that nobody listens to.
    // Android may open what was closed before.
    this.#socket.onopen = () => (this.#isOver ? this.#socket?.close(CLOSE_KEEPING_SEAT) : this.#join());
    this.#socket.onmessage = ({ data }) => this.#hear(data);
    this.#socket.onerror = () => {};
    this.#socket.onclose = () => {
      this.#lose(this.#hasJoined ? "The connection was lost." : `There is no connection to ${url}.`);
    };
  }

  /**
   * Send a message; tell whether it could be.
   * @param {string} type
   * @param {object} [fields]
   */
  send(type, fields) {
    if (this.#isOver || this.#socket?.readyState !== 1) return false;
    this.#socket.send(JSON.stringify({ type, timestamp: Date.now(), ...fields }));
    return true;
  }

  /** @param {string} [reason] */
  leave(reason) {
    if (this.#hasJoined) this.send("leave", { reason });
    this.drop(CLOSE_NORMAL);
  }

  get isFresh() {
    return performance.now() - this.#openedAt < FRESH_MS;
  }

  /**
   * Is it still there? No answer to a PING in time is the end.
   * @param {{ isBack?: boolean }} [hint]
   */
  probe({ isBack = false } = {}) {
    if (!this.#hasJoined || this.#isOver) return;
    if (!this.#probe) this.#sendBeat();
    this.#doubt(isBack);
  }

  /**
   * The last PING has to be answered in time.
   * @param {boolean} isBack
   */
  #doubt(isBack) {
    if (this.#probe) {
      this.#probe.isBack ||= isBack;
      return;
    }
    const probe = { timestamp: this.#ping.timestamp, isBack, cancel: () => {} };
    probe.cancel = this.#clock.after(PROBE_TIMEOUT_MS, () => this.#lose("The server does not answer.", probe.isBack));
    this.#probe = probe;
  }

  /** @param {number} code Whether the seat waits. */
  drop(code) {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#cancelLimit();
    this.#cancelBeat();
    this.#probe?.cancel();
    this.#socket?.close(code);
  }

  /** @param {string} why @param {boolean} [isBack] */
  #lose(why, isBack = false) {
    if (this.#isOver) return;
    this.drop(this.#farewell);
    this.#told.onLost(new LoudSyncError("connection_failed", why), { isBack });
  }

  /** Who never had a seat leaves none behind. */
  get #farewell() {
    return this.#told.isFirst && !this.#hasJoined ? CLOSE_NORMAL : CLOSE_KEEPING_SEAT;
  }

  #join() {
    const { sessionId, device, token } = this.#options;
    const { name, type } = device;
    try {
      this.send("join", { sessionId, deviceInfo: { id: device.id(), name, type }, token });
    } catch (error) {
      this.drop(CLOSE_NORMAL);
      this.#told.onRefused(/** @type {LoudSyncError} */ (error));
    }
  }

  /** @param {unknown} data */
  #hear(data) {
    if (this.#isOver) return;
    this.#isHeard = true;
    const message = readMessage(data);
    // Nobody sits down twice.
    if (message === null || (message.type === "welcome" && this.#hasJoined)) {
      this.#told.onFault(new LoudSyncError("invalid_message", "The server sent what is no LoudSync message"));
    } else if (message.type === "pong") {
      this.#onPong(message.timestamp);
    } else if (message.type === "error") {
      this.#onError(new LoudSyncError(message.code, message.message ?? message.code, message.details));
    } else {
      if (message.type === "welcome") this.#sitDown();
      this.#told.onMessage(message);
    }
  }

  #sitDown() {
    this.#hasJoined = true;
    this.#cancelLimit();
    this.#cancelBeat();
    this.#beat();
  }

  /** @param {LoudSyncError} error */
  #onError(error) {
    const { device } = this.#options;
    if (this.#hasJoined) {
      this.#told.onFault(error); // "Connection Errors": log, continue listening.
    } else if (error.code === "already_joined" && this.#told.isFirst && device.renew && !this.#hasNewDevice) {
      // This tab was duplicated, and its device id with it; the first one keeps it.
      this.#hasNewDevice = true;
      device.renew();
      this.#join();
    } else {
      this.drop(this.#farewell);
      this.#told.onRefused(error);
    }
  }

  #beat() {
    this.#sendBeat();
    if (!this.#isHeard) this.#doubt(true);
    this.#isHeard = false;
    this.#cancelBeat = this.#clock.after(this.#options.heartbeatInterval, () => this.#beat());
  }

  /** @param {number} timestamp */
  #onPong(timestamp) {
    if (this.#probe && timestamp >= this.#probe.timestamp) {
      // Not by what was on its way before: that tells nothing of now.
      this.#probe.cancel();
      this.#probe = null;
    }
    if (timestamp === this.#ping.timestamp) this.#told.onLatency(performance.now() - this.#ping.sentAt);
  }

  #sendBeat() {
    this.send("heartbeat");
    const timestamp = Math.max(Date.now(), this.#ping.timestamp + 1);
    // Its PONG is known by the timestamp, but the time is taken from a clock
    // that nobody sets.
    this.#ping = { timestamp, sentAt: performance.now() };
    this.send("ping", { timestamp });
  }
}

/**
 * A server's message; null where it is none. What a later 1.x adds has no
 * handler and no effect.
 * @param {unknown} data
 */
function readMessage(data) {
  try {
    const message = JSON.parse(/** @type {string} */ (data));
    const isGood = SERVER_MESSAGES[message.type] ?? (() => isText(message.type));
    return isGood(message) ? message : null;
  } catch {
    return null;
  }
}

// --- Around it: time, the page, the device ----------------------------------------

const WORKER_NAME = "loudsync-timers";

const WORKER_SOURCE = "onmessage = ({ data: [id, ms] }) => setTimeout(() => postMessage(id), ms);";

/**
 * Timers that are on time in a hidden page too: a Worker's. The page's own, which
 * then run about once a minute, are for where there is no Worker.
 */
class Clock {
  /** @type {Worker | null} */
  #worker = null;
  #lastId = 0;
  /** @type {Map<number, () => void>} */
  #due = new Map();

  /** @param {string | URL | undefined} workerUrl */
  constructor(workerUrl) {
    if (typeof document === "undefined" || typeof Worker === "undefined") return;
    try {
      const url = workerUrl ?? URL.createObjectURL(new Blob([WORKER_SOURCE], { type: "text/javascript" }));
      this.#worker = new Worker(url, { type: "module", name: WORKER_NAME });
      this.#worker.onmessage = ({ data: id }) => this.#due.get(id)?.();
      // A policy that forbids it is told here.
      this.#worker.onerror = () => {
        this.#worker = null;
      };
    } catch {
      // Then the page's own timers do what they can.
    }
  }

  /**
   * Call back once, after some milliseconds; returns what takes that back.
   * @param {number} ms
   * @param {() => void} callback
   */
  after(ms, callback) {
    this.#lastId += 1;
    const id = this.#lastId;
    const ring = () => {
      cancel();
      callback();
    };
    const own = setTimeout(ring, ms);
    const cancel = () => {
      clearTimeout(own);
      this.#due.delete(id);
    };
    this.#due.set(id, ring);
    this.#worker?.postMessage([id, ms]);
    return cancel;
  }
}

/** @type {Map<string, Clock>} */
const clocks = new Map();

/** @param {string | URL | undefined} workerUrl */
function clockFor(workerUrl) {
  const key = String(workerUrl ?? "");
  const clock = clocks.get(key) ?? new Clock(workerUrl);
  clocks.set(key, clock);
  return clock;
}

// This file is the Worker too, for pages whose policy forbids Blobs: `workerUrl`.
if (typeof document === "undefined" && /** @type {any} */ (globalThis).name === WORKER_NAME) {
  onmessage = ({ data: [id, ms] }) => setTimeout(() => postMessage(id), ms);
}

/**
 * Tell what happens to the page and its network; returns what stops it.
 * @param {{ onBack: () => void, onNetworkBack: () => void, onDoubt: () => void, onAway: () => void }} told
 */
function watchPage({ onBack, onNetworkBack, onDoubt, onAway }) {
  if (typeof document === "undefined" || typeof document.addEventListener !== "function") return () => {};
  /** @type {[EventTarget, string, (event: any) => void][]} */
  const watches = [
    [window, "online", onNetworkBack],
    [window, "offline", onDoubt],
    [document, "visibilitychange", () => document.visibilityState === "visible" && onBack()],
    // Frozen in the background, or kept for the back button: nothing runs then.
    [document, "freeze", onAway],
    [document, "resume", onBack],
    [window, "pagehide", ({ persisted }) => persisted && onAway()],
    [window, "pageshow", ({ persisted }) => persisted && onBack()],
  ];
  for (const [target, type, listener] of watches) target.addEventListener(type, listener);
  return () => {
    for (const [target, type, listener] of watches) target.removeEventListener(type, listener);
  };
}

const DEVICE_KEY = "loudsync.device";

/** For where the browser refuses storage: a reload is a new device then. @type {string | null} */
let pageDevice = null;

/**
 * Who joins: the device a program names, or this tab, or, outside of browsers,
 * this client. Only a tab's id can be taken by a copy of the tab.
 * @param {Api.DeviceInfo} device
 * @param {string | undefined} token
 * @returns {{ id: () => string, renew?: () => void, name: string, type: "host" | "client" }}
 */
function chooseDevice({ id, name, type }, token) {
  const rest = { name: name.trim(), type: type ?? (token === undefined ? "client" : "host") };
  if (id !== undefined) return { ...rest, id: () => id };
  if (typeof document === "undefined") {
    const own = randomId();
    return { ...rest, id: () => own };
  }
  /** Kept here too: another client of this tab may take another. @type {string | null} */
  let own = null;
  const renew = () => {
    own = keepDeviceId(randomId());
  };
  return { ...rest, id: () => (own ??= tabDeviceId()), renew };
}

/** This tab's device id: a reload has the same, another tab another. */
export function tabDeviceId() {
  let id = pageDevice;
  try {
    id = sessionStorage.getItem(DEVICE_KEY) ?? id;
  } catch {
    // Refused; the page's own it is.
  }
  return keepDeviceId(id ?? randomId());
}

/** @param {string} id */
function keepDeviceId(id) {
  pageDevice = id;
  try {
    sessionStorage.setItem(DEVICE_KEY, id);
  } catch {
    // Then for as long as the page lives.
  }
  return id;
}

/** 128 random bits; randomUUID would need https, which a party at home rarely has. */
function randomId() {
  if (!globalThis.crypto?.getRandomValues) {
    throw new LoudSyncError("invalid_option", "There is no source of randomness here; give a device.id of your own", { path: "device.id" });
  }
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

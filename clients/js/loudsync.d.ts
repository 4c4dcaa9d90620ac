/**
 * The LoudSync client: protocol v1.0 over one WebSocket, for browsers, React
 * Native and Node. Every time is in milliseconds.
 */

/** "Connection States" of the protocol. */
export type State = "disconnected" | "connecting" | "connected" | "reconnecting" | "failed";

export declare const ConnectionState: Readonly<{
  /** No connection, and none is tried. */
  DISCONNECTED: "disconnected";
  /** The first attempt is under way. */
  CONNECTING: "connecting";
  /** WELCOME has come. */
  CONNECTED: "connected";
  /** The connection was lost; the client tries to come back. */
  RECONNECTING: "reconnecting";
  /** Every attempt to come back failed. */
  FAILED: "failed";
}>;

/** What the server refuses with (protocol, "ERROR"). */
export type ErrorCode =
  | "session_not_found"
  | "session_full"
  | "already_joined"
  | "invalid_message"
  | "unauthorized"
  | "version_mismatch";

/** What goes wrong on this side, or ends a `connect` that is under way. */
export type ClientErrorCode =
  | "invalid_option"
  | "invalid_state"
  | "not_connected"
  | "connection_failed"
  | "reconnection_failed"
  | "left"
  | "kicked"
  | "session_closed";

export declare class LoudSyncError extends Error {
  constructor(code: string, message: string, details?: Record<string, unknown>);
  /** An {@link ErrorCode} or a {@link ClientErrorCode}; later servers may have more. */
  readonly code: ErrorCode | ClientErrorCode | (string & {});
  /** More about it, such as `maxMembers` of a full session; else empty. */
  readonly details: Record<string, unknown>;
}

export interface DeviceInfo {
  /**
   * What gets this device its seat back; at most 128 characters, told to nobody.
   * Left out, it is this tab's in a browser ({@link tabDeviceId}), and elsewhere
   * random bits of this client's own.
   */
  id?: string;
  /** What the others see: 1 to 64 characters after trimming. */
  name: string;
  /** Left out: "host" with a token, else "client". */
  type?: "host" | "client";
}

export interface SessionInfo {
  readonly id: string;
  readonly name: string;
  readonly hostId: string;
}

export interface MemberInfo {
  readonly id: string;
  readonly name: string;
  readonly isHost: boolean;
  readonly connectionStatus: "connected" | "disconnected" | "reconnecting";
  /** Since the Unix epoch. */
  readonly joinedAt: number;
  /** The server's measure, in whole milliseconds; absent until there is one. */
  readonly latency?: number;
}

export interface LoudSyncOptions {
  /**
   * Where the server is: `ws:`, `wss:`, `http:` or `https:`. A join link, which
   * names the session, will do. Left out, it is the server of this page.
   */
  url?: string;
  /** The session's id; may be left out where the url names it. */
  sessionId?: string;
  device: DeviceInfo;
  /** The session's host token, for its host. */
  token?: string;
  /** Between two HEARTBEATs, each with a PING. Default 5000; the server waits for 15 s. */
  heartbeatInterval?: number;
  /** For one attempt, from opening the socket to WELCOME. Default 10000. */
  connectionTimeout?: number;
  /** Attempts in a row to come back; counted afresh after each success. Default 3. */
  reconnectAttempts?: number;
  /** Before each of them. Default 2000. */
  reconnectDelay?: number;
  /** Up to this share of the delay is added at random. Default 0.25. */
  reconnectSpread?: number;
  /**
   * The URL of this very file on the page's own server, such as "/loudsync.js".
   * Timers run in a Worker, which is made from a Blob unless this is given;
   * a Content-Security-Policy without `worker-src blob:` needs it.
   */
  workerUrl?: string | URL;
  /** Left out: the platform's own. Node before 22 has none; give that of `ws`. */
  WebSocket?: new (url: string) => unknown;
}

export interface LoudSyncEventMap {
  /** The state has changed, or the attempt within "reconnecting". */
  statechange: {
    state: State;
    /** The attempt that is next or under way, from 1; in "failed" how many failed. */
    attempt: number;
    maxAttempts: number;
    /** Why. */
    error?: LoudSyncError;
  };
  /** There is a seat. MEMBER_LIST follows. */
  welcome: {
    clientId: string;
    session: SessionInfo;
    /** Whether it is the seat that this client had before. */
    isResumed: boolean;
  };
  /** Whatever changed about the members: after each message about them, and at the end. */
  members: { members: ReadonlyMap<string, MemberInfo> };
  memberjoined: {
    member: MemberInfo;
    /** Whether it had its seat all the time and was only away. */
    isBack: boolean;
  };
  memberleft: { member: MemberInfo; reason?: "left" | "kicked" | "timeout" | "error" };
  /** The host removed this client; the session is cleared. It follows the "statechange" to "disconnected". */
  kicked: { reason: string };
  /** The session is over, and cleared. It follows the "statechange" to "disconnected". */
  sessionclosed: { reason: string };
  /** A PONG has come; with fractions of a millisecond. */
  latency: { latency: number };
  /** The server refused a request; or the end of coming back. What `connect` rejects with is not told here. */
  error: { error: LoudSyncError };
}

export interface LoudSyncEvent<Type extends keyof LoudSyncEventMap = keyof LoudSyncEventMap> {
  readonly type: string;
  readonly detail: LoudSyncEventMap[Type];
}

type Listener<Type extends keyof LoudSyncEventMap> =
  | ((event: LoudSyncEvent<Type>) => void)
  | { handleEvent(event: LoudSyncEvent<Type>): void };

/**
 * One device in one session.
 *
 * It keeps itself alive, also in a hidden tab, and comes back by itself when the
 * connection is lost: at once when the network or the page is back.
 */
export declare class LoudSyncClient extends EventTarget {
  /** Throws a {@link LoudSyncError} "invalid_option" that says which. Nothing is opened yet. */
  constructor(options: LoudSyncOptions);

  readonly state: State;
  /** The attempt to come back that is next or under way; 0 outside of "reconnecting". */
  readonly attempt: number;
  /** This client's member id; null without a session. */
  readonly clientId: string | null;
  /** Null without one. */
  readonly session: SessionInfo | null;
  /** Who is here, by id, the host first; kept up to date in place, empty at the end. */
  readonly members: ReadonlyMap<string, MemberInfo>;
  /** The last round trip on this connection; null until measured. */
  readonly latency: number | null;

  /**
   * Take a seat. Fulfilled on WELCOME.
   *
   * Rejects with a {@link LoudSyncError}: the server's ERROR, "connection_failed"
   * where no server answered in time, or what ended it meanwhile ("left",
   * "kicked", "session_closed"); the state is "disconnected" then. Called while
   * it is under way it gives the same promise, and "invalid_state" with a seat.
   */
  connect(): Promise<SessionInfo>;

  /**
   * Give the seat up. For a host it is the end of the session. Without a seat
   * nothing happens. Called in "reconnecting" it is over at once here, and one
   * attempt is made to tell the server.
   */
  leave(reason?: string): void;

  /** Remove a member, as the host. Refused, an "error" event tells. Throws "not_connected". */
  kick(memberId: string, reason?: string): void;

  /** End the session for everybody, as the host; "sessionclosed" follows. Throws "not_connected". */
  closeSession(reason?: string): void;

  /** Ask who is here; "members" follows. Throws "not_connected". */
  requestMembers(): void;

  /**
   * Ask the server for a sign of life, or try at once to come back.
   *
   * In a browser that happens by itself. Elsewhere call it when the program or
   * the network is back, as from React Native's AppState.
   */
  checkConnection(): void;

  addEventListener<Type extends keyof LoudSyncEventMap>(
    type: Type,
    listener: Listener<Type>,
    options?: boolean | AddEventListenerOptions,
  ): void;
  removeEventListener<Type extends keyof LoudSyncEventMap>(
    type: Type,
    listener: Listener<Type>,
    options?: boolean | EventListenerOptions,
  ): void;
}

/**
 * This tab's device id: 128 random bits in `sessionStorage`, or for as long as
 * the page lives where the browser refuses storage. A reload is the same
 * device, two tabs are two; a duplicated tab takes another when it joins.
 */
export declare function tabDeviceId(): string;

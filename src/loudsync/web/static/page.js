// The page that guests open: they join a session by its code and see who is
// there. seat.js holds the connection; this shows what it tells.

import { RECONNECT_ATTEMPTS, keepSeat } from "/seat.js";

const SESSIONS_SHOWN = 50;

const WENT = {
  left: "left",
  kicked: "was removed",
  timeout: "did not come back",
  error: "was disconnected",
};

const part = (id) => document.getElementById(id);

const fromTemplate = (id) => part(id).content.firstElementChild.cloneNode(true);

// --- What the browser remembers ----------------------------------------------

const DEVICE = "loudsync.device";
const SEAT = "loudsync.seat";
const NAME = "loudsync.name";

const lasting = openStorage("localStorage");
const ofThisTab = openStorage("sessionStorage");

/** A storage of the browser, or one in memory where the browser forbids it. */
function openStorage(kind) {
  try {
    window[kind].setItem("loudsync", "");
    window[kind].removeItem("loudsync");
    return window[kind];
  } catch {
    const memory = new Map();
    return {
      getItem: (key) => memory.get(key) ?? null,
      setItem: (key, value) => memory.set(key, value),
      removeItem: (key) => memory.delete(key),
    };
  }
}

/** What gives this tab its own seat back, also after a reload: 128 random bits. */
function deviceId() {
  let id = ofThisTab.getItem(DEVICE);
  if (!id) {
    // randomUUID would need https, which a party at home rarely has.
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    id = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    ofThisTab.setItem(DEVICE, id);
  }
  return id;
}

// --- From the form to the session and back -----------------------------------

async function join(code, name) {
  showJoining(true);
  part("message").hidden = true;
  const left = new Promise((resolve) => {
    part("leave").onclick = resolve;
  });
  const end = await keepSeat({ code, name, deviceId: deviceId(), left }, {
    ...show,
    welcome(message) {
      ofThisTab.setItem(SEAT, JSON.stringify({ code, name }));
      show.welcome(message);
    },
  });
  ofThisTab.removeItem(SEAT);
  if (end.code === "already_joined") {
    // This tab was duplicated, and its device id with it; the first one keeps it.
    ofThisTab.removeItem(DEVICE);
  }
  showForm(end, code);
}

/** Say why it ended, for the person who wanted to be there. */
function inWords({ why, reason, cause, attempts, ...refused }, code) {
  switch (why) {
    case "left":
      return "You left the session.";
    case "kicked":
      return `You were removed from the session: ${reason}`;
    case "session_closed":
      return reason ? `The session has ended: ${reason}` : "The session has ended.";
  }
  const what = cause ?? refusalInWords(refused, code);
  if (!attempts || attempts < RECONNECT_ATTEMPTS) return what;
  return `The connection was lost, and ${attempts} attempts to come back failed. ${what}`;
}

function refusalInWords({ code: refusal, message, details }, code) {
  switch (refusal) {
    case "session_not_found":
      return `There is no session with the code “${code}”. Check it; capital and small letters differ.`;
    case "session_full":
      if (details?.reason === "storage_full") return `${message}.`;
      return `The session is full: all ${details?.maxMembers ?? "its"} seats are taken. Try again when somebody has left.`;
    case "already_joined":
      return "Another tab holds this seat. Join again to take one of your own.";
    case "unauthorized":
      return `The session does not let you in: ${message}`;
    case "version_mismatch":
      return "This page and the server speak different versions. Reload the page.";
    case "invalid_message":
      return `The server can't accept ${fieldAtFault(details) === "name" ? "this name" : "this"}: ${details?.reason ?? message}`;
    default:
      return `The server refused: ${message}`;
  }
}

const fieldAtFault = (details) => (details?.path === "$.deviceInfo.name" ? "name" : "code");

function showJoining(isJoining) {
  part("fields").disabled = isJoining;
  part("join").textContent = isJoining ? "Joining…" : "Join";
}

function showForm(end, code) {
  document.title = "LoudSync";
  part("session").hidden = true;
  part("lobby").hidden = false;
  showJoining(false);
  part("message").textContent = inWords(end, code);
  part("message").classList.toggle("plain", end.why === "left");
  part("message").hidden = false;
  if (end.code === "session_not_found") part("code").focus();
  else if (end.code === "invalid_message") part(fieldAtFault(end.details)).focus();
  else part("join").focus();
  listSessions();
}

// --- The session -------------------------------------------------------------

const rows = new Map();
let ownId = null;

const inMs = (ms) => (ms < 1 ? "< 1 ms" : `${Math.round(ms)} ms`);

/** What happens in the session, as seat.js tells it. */
const show = {
  welcome({ clientId, sessionInfo: { id, name } }) {
    ownId = clientId;
    showState("connected", "Connected");
    if (!part("session").hidden) return;
    rows.clear();
    part("members").replaceChildren();
    tell("");
    part("latency").textContent = "…";
    part("session-name").textContent = name;
    part("session-code").textContent = id;
    document.title = `${name} · LoudSync`;
    history.replaceState(null, "", `/?session=${encodeURIComponent(id)}`);
    part("lobby").hidden = true;
    part("session").hidden = false;
    part("session-name").focus();
  },

  reconnecting(attempt) {
    showState("reconnecting", `Reconnecting (${attempt} of ${RECONNECT_ATTEMPTS})…`);
  },

  latency(ms) {
    part("latency").textContent = inMs(ms);
  },

  memberList({ members }) {
    const ids = new Set(members.map(({ id }) => id));
    [...rows.keys()].filter((id) => !ids.has(id)).forEach(removeRow);
    for (const member of members) {
      const before = rows.get(member.id)?.dataset.status;
      showMember(member);
      if (before === "connected" && member.connectionStatus === "reconnecting") {
        tell(`${member.name} lost the connection`);
      }
    }
  },

  memberJoined({ member }) {
    tell(`${member.name} ${rows.has(member.id) ? "is here again" : "joined"}`);
    showMember(member);
  },

  memberLeft({ memberId, reason }) {
    const row = rows.get(memberId);
    if (!row) return;
    tell(`${row.querySelector(".name").textContent} ${WENT[reason] ?? "left"}`);
    removeRow(memberId);
  },
};

function showState(status, text) {
  part("state").dataset.status = status;
  part("state").textContent = text;
}

function tell(news) {
  part("news").textContent = news;
}

function showMember({ id, name, isHost, connectionStatus, latency }) {
  const row = rows.get(id) ?? addRow(id);
  row.dataset.status = connectionStatus;
  fill(row, {
    ".name": name,
    ".status": connectionStatus,
    ".latency": latency === undefined ? "" : inMs(latency),
  });
  row.querySelector(".host").hidden = !isHost;
  row.querySelector(".you").hidden = id !== ownId;
}

function addRow(id) {
  const row = fromTemplate("member-row");
  row.dataset.member = id;
  rows.set(id, row);
  part("members").append(row);
  part("count").textContent = rows.size;
  return row;
}

function removeRow(id) {
  rows.get(id).remove();
  rows.delete(id);
  part("count").textContent = rows.size;
}

/** Fill in texts as text, never as HTML: names are what strangers typed. */
function fill(row, texts) {
  for (const [selector, text] of Object.entries(texts)) {
    row.querySelector(selector).textContent = text;
  }
}

// --- Open sessions -----------------------------------------------------------

async function listSessions() {
  let sessions = [];
  let note = "The list is not available now.";
  try {
    const response = await fetch("/sessions");
    if (response.ok) {
      ({ sessions } = await response.json());
      const unseen = sessions.length - SESSIONS_SHOWN;
      note = unseen > 0 ? `${unseen} more are not shown.` : "";
      if (!sessions.length) note = "None is listed. Ask the host for the code.";
    }
  } catch {
    // The note says so.
  }
  part("open-note").textContent = note;
  part("open").replaceChildren(...sessions.slice(0, SESSIONS_SHOWN).map(openRow));
}

function openRow({ id, name, hostName, memberCount, maxMembers }) {
  const row = fromTemplate("open-row");
  fill(row, {
    ".name": name,
    ".seats": `${memberCount} of ${maxMembers}`,
    ".host": `with ${hostName}`,
    ".code": id,
  });
  row.firstElementChild.onclick = () => {
    part("code").value = id;
    part(part("name").value ? "join" : "name").focus();
  };
  return row;
}

// --- From here it starts -----------------------------------------------------

const linkedCode = new URLSearchParams(location.search).get("session") ?? "";
const seatBefore = JSON.parse(ofThisTab.getItem(SEAT));

part("code").value = linkedCode;
part("name").value = lasting.getItem(NAME) ?? "";
part("refresh").onclick = listSessions;
part("form").onsubmit = (event) => {
  event.preventDefault();
  const name = part("name").value.trim();
  lasting.setItem(NAME, name);
  join(part("code").value.trim(), name);
};
listSessions();
// Reloaded while in a session: the seat waits.
if (seatBefore?.code === linkedCode) join(linkedCode, seatBefore.name);

// The list of who is here.

import { fill, fromTemplate, part, removeRow } from "/dom.js";
import { Trace } from "/trace.js";
import { inMs } from "/words.js";

const FACES = 6;

/** By member id: `{ row, trace, member }`, the member as it is shown. */
const rows = new Map();

let onKick = null;

/** Begin with nobody; `kick(member)` is for a host's buttons. */
export function clearMembers(kick) {
  onKick = kick;
  rows.clear();
  part("members").replaceChildren();
  part("count").textContent = "";
}

/** Show who is here now. */
export function showMembers(members, ownId) {
  for (const [id, { row }] of rows) {
    if (members.has(id)) continue;
    removeRow(row, part("members-title"));
    rows.delete(id);
  }
  for (const member of members.values()) showMember(member, ownId);
  part("count").textContent = rows.size;
}

/** Move the trace of everybody who is connected on by the latency that is known. */
export function traceLatencies() {
  for (const { trace, member: { connectionStatus, latency } } of rows.values()) {
    if (connectionStatus === "connected" && latency !== undefined) trace.add(latency);
  }
}

function showMember(member, ownId) {
  const { id, name, isHost, connectionStatus, latency } = member;
  const shown = rows.get(id) ?? addRow(id);
  // A message brings new objects for whom it is about: the same one has not changed.
  if (shown.member === member) return;
  shown.member = member;
  const { row } = shown;
  row.dataset.status = connectionStatus;
  fill(row, {
    ".face": firstLetter(name),
    ".name": name,
    ".status": connectionStatus,
    ".latency": latency === undefined ? "" : inMs(latency),
  });
  row.querySelector(".host").hidden = !isHost;
  row.querySelector(".you").hidden = id !== ownId;
  const kick = row.querySelector(".kick");
  kick.hidden = !onKick || id === ownId;
  kick.setAttribute("aria-label", `Remove ${name}`);
  kick.onclick = () => onKick(member);
}

function addRow(id) {
  const row = fromTemplate("member-row");
  row.dataset.member = id;
  const face = [...id].reduce((sum, letter) => sum + letter.codePointAt(0), 0) % FACES;
  row.querySelector(".face").classList.add(`face-${face}`);
  part("members").append(row);
  const shown = { row, trace: new Trace(row.querySelector(".trace")), member: null };
  rows.set(id, shown);
  return shown;
}

const segmenter = Intl.Segmenter && new Intl.Segmenter();

/** What people take for one letter: it may be several code points. */
function firstLetter(name) {
  const letters = segmenter ? Array.from(segmenter.segment(name), ({ segment }) => segment) : [...name];
  return letters[0].toUpperCase();
}

// The room: who is here, how it goes, and the way out.

import { askToKick, closeDialogs, confirm } from "/dialogs.js";
import { isShown, part, showScreen } from "/dom.js";
import { prepareInvitation, showInvitation } from "/invite.js";
import { clearMembers, showMembers, traceLatencies } from "/members.js";
import { clearEndings, clearToasts, toast } from "/toasts.js";
import { Trace } from "/trace.js";
import { WENT, inMs } from "/words.js";

/** Nothing announces latencies, so the list is asked for with every second of
 * one's own; in a crowd less often, as each list grows with it. */
const LIST_EVERY = 2;
const MEMBERS_PER_LATENCY = 50;

let client = null;
let leave = null;
let isHost = false;

/** Show the room of a client that has a seat; `onLeave()` when it is given up. */
export function enterRoom(joined, { asHost, onLeave }) {
  client = joined;
  leave = onLeave;
  isHost = asHost;
  clearEndings();
  clearMembers(isHost ? kick : null);
  part("room-title").textContent = client.session.name;
  part("room-code").textContent = client.session.id;
  part("latency").textContent = "…";
  part("leave").textContent = isHost ? "End the party" : "Leave";
  prepareInvitation(client.session.id, isHost);
  showLost(null);
  showState(client);
  showMembers(client.members, client.clientId);
  showScreen("room", client.session.name);
}

/** Out of it, whatever was asked there. */
export function leaveRoom() {
  client = null;
  closeDialogs();
  clearToasts();
}

/** Listen to a client, once, for as long as its room is shown. */
export function followClient(followed) {
  const trace = new Trace(part("own-trace"));
  let measured = 0;
  const on = (type, show) => {
    followed.addEventListener(type, ({ detail }) => client === followed && show(detail));
  };
  on("statechange", showState);
  on("members", drawMembers);
  on("memberjoined", ({ member, isBack }) => isBack || toast(`${member.name} joined`));
  on("memberleft", ({ member, reason }) => toast(`${member.name} ${WENT[reason] ?? "left"}`));
  on("error", ({ error }) => followed.state === "connected" && toast(error.details.reason ?? error.message));
  on("latency", ({ latency }) => {
    part("latency").textContent = inMs(latency);
    trace.add(latency);
    traceLatencies();
    measured += 1;
    const every = Math.max(LIST_EVERY, Math.ceil(followed.members.size / MEMBERS_PER_LATENCY));
    if (measured % every === 0 && followed.state === "connected") followed.requestMembers();
  });
}

let isDrawing = false;

/** Once for all that comes before the next picture: crowds arrive together. */
function drawMembers() {
  if (isDrawing) return;
  isDrawing = true;
  requestAnimationFrame(() => {
    isDrawing = false;
    if (client) showMembers(client.members, client.clientId);
  });
}

function showState({ state, attempt, maxAttempts }) {
  // It goes on trying: that need not be told each time.
  if (isShown("lost") && state !== "connected") return;
  const texts = {
    disconnected: "Not connected",
    connecting: "Connecting…",
    connected: "Connected",
    reconnecting: `Reconnecting, attempt ${attempt} of ${maxAttempts}`,
    failed: "Not connected",
  };
  part("state").dataset.status = state;
  part("state").textContent = texts[state];
  if (state !== "connected") part("latency").textContent = "–";
}

/** Say that it was lost for good, and what to do; null takes that back. */
export function showLost(why) {
  const isLost = why !== null;
  const wasLost = isShown("lost");
  part("lost").hidden = !isLost;
  part("party").hidden = isLost;
  part("invite").hidden = isLost || isHost;
  if (!isLost) return;
  closeDialogs();
  part("lost-why").textContent = why;
  part("again").disabled = false;
  part("leave").textContent = "Back to the parties";
  if (!wasLost) part("lost-title").focus();
}

/** Press the button: `again()`. */
export function onAgain(again) {
  part("again").onclick = () => {
    part("again").disabled = true;
    again();
  };
}

async function kick({ id, name }) {
  const reason = await askToKick(name);
  if (reason === null || !client) return;
  if (client.members.has(id)) tryTo(() => client.kick(id, reason || undefined));
  else toast(`${name} has left already`);
  if (document.activeElement === document.body) part("members-title").focus();
}

part("invite").onclick = showInvitation;

part("leave").onclick = () => {
  if (isHost && client.session) askToEnd();
  else leave();
};

/** Somebody wants out, perhaps by the back button, perhaps by mistake. */
export async function askToLeave() {
  if (isHost && client.session) return askToEnd();
  const isSure = await confirm({ title: "Leave the party?", text: "Your seat gets free for others.", yes: "Leave" });
  if (isSure && client) leave();
}

async function askToEnd() {
  if (client.state !== "connected") return askToGo();
  const isSure = await confirm({
    title: "End the party?",
    text: "It ends for everybody who is here.",
    yes: "End the party",
  });
  if (isSure) tryTo(() => client?.closeSession());
}

/** Nobody can be told now; a host may go all the same. */
async function askToGo() {
  const isSure = await confirm({
    title: "Leave the party?",
    text: "There is no connection now, so the others can't be told. The party ends when its host stays away.",
    yes: "Leave",
  });
  if (isSure && client) leave();
}

function tryTo(request) {
  try {
    request();
  } catch {
    toast("There is no connection now. Try again in a moment.");
  }
}

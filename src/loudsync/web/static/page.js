// The page that guests and hosts open. From here it goes to one of the screens,
// by the address: / is discover.js, /?session=CODE join.js and then room.js,
// /?start start.js. loudsync.js holds the connection.

import { onCode, showDiscover } from "/discover.js";
import { isShown, part } from "/dom.js";
import { onJoin, showJoin, showJoining, showRefusal } from "/join.js";
import { LoudSyncClient } from "/loudsync.js";
import { forgetSeat, rememberSeat, rememberedSeat } from "/memory.js";
import { askToLeave, enterRoom, followClient, leaveRoom, onAgain, showLost } from "/room.js";
import { addressOf } from "/server.js";
import { onStart, showStart, showStartFault } from "/start.js";
import { clearEndings, tellEnding } from "/toasts.js";
import { notFound, refusal } from "/words.js";

/** The party that this tab is in, or wants to be in: `{ code, name, token?, client }`. */
let party = null;

// --- From screen to screen ---------------------------------------------------------

function goTo(address) {
  if (party && isShown("room")) return;
  if (address !== location.pathname + location.search) history.pushState(null, "", address);
  showAddress();
}

function showAddress() {
  if (party && !isShown("room")) {
    party.client.leave(); // Somebody went on before there was a seat.
    party = null;
  }
  clearEndings();
  const asked = new URLSearchParams(location.search);
  const code = asked.get("session");
  const seat = rememberedSeat();
  if (code && seat?.code === code) rejoin(seat);
  else if (code) showJoin(code, showMissing);
  else if (asked.has("start")) showStart();
  else showDiscover();
}

/** Reloaded, or left and found again: the seat waits, and so does the host's token. */
function rejoin(seat) {
  showJoin(seat.code, showMissing);
  part("name").value = seat.name;
  showJoining(true);
  join(seat);
}

function showMissing(code) {
  party?.client.leave();
  party = null;
  forgetSeat();
  history.replaceState(null, "", "/");
  showDiscover({ code, fault: notFound(code) });
}

/** Back to the first screen, with a word about how it ended. */
function goHome(text) {
  history.replaceState(null, "", "/");
  showDiscover();
  tellEnding(text);
}

// --- Into a party and out of it -------------------------------------------------------

async function join({ code, name, token = tokenOf(code) }) {
  party?.client.leave();
  const client = new LoudSyncClient({ sessionId: code, device: { name }, token, workerUrl: "/loudsync.js" });
  const wanted = { code, name, token, client };
  party = wanted;
  client.addEventListener("welcome", () => rememberSeat({ code, name, token }));
  client.addEventListener("kicked", ({ detail }) => end(wanted, `You were removed from the party: ${detail.reason}`));
  client.addEventListener("sessionclosed", ({ detail }) => {
    end(wanted, detail.reason ? `The party has ended: ${detail.reason}` : "The party has ended.");
  });
  client.addEventListener("error", ({ detail }) => client.state !== "connected" && lose(wanted, detail.error));
  followClient(client);
  try {
    await client.connect();
  } catch (error) {
    if (party === wanted) showNoSeat(wanted, error);
    return;
  }
  if (isStillIn(wanted)) enter(wanted);
}

/** The token, where this tab hosts that party. */
function tokenOf(code) {
  const seat = rememberedSeat();
  return seat?.code === code ? seat.token : undefined;
}

const isStillIn = (wanted) => party === wanted && wanted.client.session !== null;

function enter({ code, token, client }) {
  // What began with a party that was started is its address from here on.
  if (isShown("start")) history.pushState(null, "", addressOf(code));
  else history.replaceState(null, "", addressOf(code));
  enterRoom(client, { asHost: token !== undefined, onLeave: leave });
}

/** After these there is nothing to come back to. */
const FINAL_CODES = ["session_not_found", "unauthorized", "kicked", "session_closed"];

/** The first attempt failed: say why, where something can be done about it. */
function showNoSeat(wanted, error) {
  party = null;
  if (FINAL_CODES.includes(error.code)) forgetSeat();
  const text = refusal(error, wanted);
  if (error.code === "kicked" || error.code === "session_closed") goHome(text);
  else if (error.code === "session_not_found" && !isShown("start")) showMissing(wanted.code);
  else if (isShown("start")) showStartFault(text);
  else showRefusal(text, error.code === "invalid_message");
}

/** Coming back has failed, for now or for good. */
function lose(wanted, error) {
  if (party !== wanted) return;
  if (wanted.client.state === "failed") {
    showLost("Three attempts to come back failed.");
    comeBackLater();
  } else end(wanted, lossInWords(error, wanted));
}

function lossInWords(error, wanted) {
  if (error.code !== "session_not_found") return refusal(error, wanted);
  return wanted.token
    ? "The party is over. It ends when its host is away for too long."
    : "The party ended while you were away.";
}

/** Nobody may tell the page that the server is back: it looks for itself. */
const TRY_AGAIN_MS = 5_000;

let nextTry = 0;

function comeBackLater() {
  clearTimeout(nextTry);
  nextTry = setTimeout(comeBack, TRY_AGAIN_MS);
}

/** After a failure: with the button, by itself, or when the network or the page is back. */
async function comeBack() {
  const wanted = party;
  if (!wanted || !isShown("lost") || wanted.client.state === "connecting") return;
  try {
    await wanted.client.connect();
  } catch (error) {
    if (party !== wanted) return;
    if (error.code !== "connection_failed") return end(wanted, lossInWords(error, wanted));
    showLost("The party server still does not answer.");
    comeBackLater();
    return;
  }
  if (isStillIn(wanted)) enter(wanted);
}

function end(wanted, text) {
  if (party !== wanted) return;
  party = null;
  forgetSeat();
  leaveRoom();
  goHome(text);
}

function leave() {
  const wanted = party;
  const isHere = wanted.client.session !== null;
  party = null;
  forgetSeat();
  wanted.client.leave();
  leaveRoom();
  goHome(isHere ? "You left the party." : "You are not in the party any more.");
}

// --- From here it starts ----------------------------------------------------------------

onCode((code) => goTo(addressOf(code)));
onJoin(join);
onStart(join);
onAgain(comeBack);
window.addEventListener("online", comeBack);
document.addEventListener("visibilitychange", () => document.hidden || comeBack());

// Links between screens load nothing anew; in a party they would lose the seat.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href^='/']");
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  if (party && isShown("room")) askToLeave();
  else goTo(link.getAttribute("href"));
});

window.addEventListener("popstate", () => {
  if (!party || !isShown("room")) return showAddress();
  history.pushState(null, "", addressOf(party.code));
  askToLeave();
});

showAddress();

// For an installed page that is opened while the server is gone.
if (isSecureContext) navigator.serviceWorker?.register("/offline.js");

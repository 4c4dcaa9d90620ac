// The first screen: which parties there are, and a field for the code of one.

import { fill, fromTemplate, isShown, part, removeRow, showFault, showScreen } from "/dom.js";
import { addressOf, describeParty, listParties } from "/server.js";
import { notFound } from "/words.js";

const LISTED_MOST = 50;
const LOOK_AGAIN_MS = 4_000;

/** Whether a look is under way or waited for. */
let isLooking = false;

export function showDiscover({ code = "", fault = "" } = {}) {
  showScreen("discover");
  part("code").value = code;
  showFault("code-error", fault, fault ? part("code") : null);
  if (!isLooking) keepLooking();
}

/** Look again every few seconds, for as long as somebody sees it. */
async function keepLooking() {
  isLooking = true;
  await look();
  setTimeout(() => {
    isLooking = false;
    if (isShown("discover") && !document.hidden) keepLooking();
  }, LOOK_AGAIN_MS);
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden && isShown("discover") && !isLooking) keepLooking();
});

async function look() {
  try {
    const parties = await listParties();
    const unseen = parties.length - LISTED_MOST;
    if (!parties.length) showNote("None is listed. Ask the host for the code, or start one.");
    else showNote(unseen > 0 ? `${unseen} more are not shown.` : "");
    showParties(parties.slice(0, LISTED_MOST));
  } catch ({ code }) {
    // What was listed stays: most often it is there again in a moment.
    showNote(
      code === "unreachable"
        ? "You are offline: the party server can't be reached. This page goes on trying."
        : "The list is not available now. This page goes on trying.",
    );
  }
}

function showNote(note) {
  fill(part("discover"), { "#open-note": note });
}

/** Update in place: whoever is about to tap or is reading keeps the place. */
function showParties(parties) {
  const list = part("open");
  const ids = new Set(parties.map(({ id }) => id));
  for (const row of [...list.children]) if (!ids.has(row.dataset.code)) removeRow(row, part("discover-title"));
  const rows = new Map([...list.children].map((row) => [row.dataset.code, row]));
  for (const party of parties) {
    const row = rows.get(party.id) ?? addRow(party.id);
    fill(row, {
      ".name": party.name,
      ".seats": `${party.memberCount} of ${party.maxMembers}`,
      ".host": `with ${party.hostName}`,
      ".code": party.id,
    });
  }
}

function addRow(code) {
  const row = fromTemplate("open-row");
  row.dataset.code = code;
  row.querySelector("a").href = addressOf(code);
  part("open").append(row);
  return row;
}

/** What the form asked for last; an older answer comes too late. */
let asked = null;

/** Read the form: `go(code)` where there is such a party. */
export function onCode(go) {
  part("code-form").onsubmit = async (event) => {
    event.preventDefault();
    const code = codeIn(part("code").value);
    if (!code) return showFault("code-error", "Type the party's code, or choose a party below.", part("code"));
    if (!CODE.test(code)) return showFault("code-error", notFound(code), part("code"));
    showFault("code-error");
    const ask = {};
    asked = ask;
    const isWanted = () => asked === ask && isShown("discover");
    part("go").textContent = "Looking…";
    try {
      const found = await findCode(code);
      if (isWanted()) go(found);
    } catch (error) {
      const text = error.code === "session_not_found" ? notFound(code) : error.message;
      if (isWanted()) showFault("code-error", text, part("code"));
    } finally {
      if (asked === ask) part("go").textContent = "Go";
    }
  };
}

/** What can be a code at all. */
const CODE = /^[A-Za-z0-9_-]{1,64}$/;

/** People paste links, too. */
function codeIn(typed) {
  return /[?&]session=([^&#\s]+)/.exec(typed)?.[1] ?? typed.trim();
}

/** The code as it is spelled: drawn ones are in small letters, keyboards like capitals. */
async function findCode(code) {
  try {
    return (await describeParty(code)).id;
  } catch (error) {
    if (error.code !== "session_not_found" || code === code.toLowerCase()) throw error;
    return (await describeParty(code.toLowerCase())).id;
  }
}

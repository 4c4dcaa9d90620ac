// Starting a party of one's own.

import { isShown, part, showFault, showScreen } from "/dom.js";
import { rememberedName, rememberName } from "/memory.js";
import { createParty } from "/server.js";
import { startRefusal } from "/words.js";

/** The field that an error of the server is about. */
const FIELDS = { "$.name": "party-name", "$.hostName": "host-name", "$.maxMembers": "seats" };

export function showStart() {
  part("host-name").value = rememberedName();
  showFault("start-error");
  showStarting(false);
  showScreen("start", "Start a party");
}

function showStarting(isStarting) {
  part("start-fields").disabled = isStarting;
  part("start-button").textContent = isStarting ? "Starting…" : "Start the party";
}

/** Say why there is no party, or no seat in it. */
export function showStartFault(text, field = part("start-button")) {
  showStarting(false);
  showFault("start-error", text, field);
}

/** Read the form: `host({ code, name, token })` once there is a party. */
export function onStart(host) {
  part("start-form").onsubmit = async (event) => {
    event.preventDefault();
    const hostName = part("host-name").value.trim();
    const name = part("party-name").value.trim();
    const maxMembers = part("seats").valueAsNumber;
    if (!name) return showStartFault("Give the party a name.", part("party-name"));
    if (!hostName) return showStartFault("Type your name, so that the others know who you are.", part("host-name"));
    if (!Number.isInteger(maxMembers)) return showStartFault("Say how many seats there are: 10, for example.", part("seats"));
    rememberName(hostName);
    showFault("start-error");
    showStarting(true);
    const isWanted = () => isShown("start") && part("start-fields").disabled;
    try {
      const created = await createParty({ name, hostName, maxMembers, listed: part("listed").checked }, part("key").value.trim());
      if (isWanted()) host({ code: created.id, name: hostName, token: created.hostToken });
    } catch (error) {
      if (!isWanted()) return;
      if (error.code === "unauthorized") part("key-part").hidden = false;
      const id = error.code === "unauthorized" ? "key" : (FIELDS[error.details?.path] ?? "start-button");
      showStartFault(startRefusal(error), part(id));
    }
  };
}

// The second screen: one party, and who you are.

import { isShown, part, showFault, showScreen } from "/dom.js";
import { rememberedName, rememberName } from "/memory.js";
import { describeParty } from "/server.js";

let code = "";

/** Show the door of a party; `onMissing(code)` where there is none. */
export async function showJoin(wanted, onMissing) {
  code = wanted;
  part("join-title").textContent = "a party";
  part("join-with").hidden = true;
  part("join-seats").textContent = `Code ${code}`;
  part("name").value = rememberedName();
  showFault("join-error");
  showJoining(false);
  showScreen("join", "Join");
  try {
    await describe(wanted);
  } catch (error) {
    if (code !== wanted || !isShown("join")) return;
    if (error.code === "session_not_found") onMissing(code);
    else if (error.code === "unreachable") showFault("join-error", "You are offline: the party server can't be reached.");
  }
}

async function describe(wanted) {
  const { name, hostName, memberCount, maxMembers } = await describeParty(wanted);
  if (code !== wanted || !isShown("join")) return;
  part("join-title").textContent = name;
  part("join-host").textContent = hostName;
  part("join-with").hidden = false;
  part("join-seats").textContent = `${memberCount} of ${maxMembers} seats taken`;
  document.title = `${name} · LoudSync`;
}

export function showJoining(isJoining) {
  part("join-fields").disabled = isJoining;
  part("join-button").textContent = isJoining ? "Joining…" : "Join";
}

/** Say why there is no seat. */
export function showRefusal(text, isAboutName) {
  showJoining(false);
  showFault("join-error", text, part(isAboutName ? "name" : "join-button"));
  describe(code).catch(() => {}); // There may be more or fewer seats by now.
}

/** Read the form: `join({ code, name })`. */
export function onJoin(join) {
  part("join-form").onsubmit = (event) => {
    event.preventDefault();
    const name = part("name").value.trim();
    if (!name) return showFault("join-error", "Type a name, so that the others know who you are.", part("name"));
    rememberName(name);
    showFault("join-error");
    showJoining(true);
    join({ code, name });
  };
}

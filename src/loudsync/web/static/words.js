// What happened, in words for the person who is there.

export const WENT = {
  left: "left",
  kicked: "was removed",
  timeout: "did not come back",
  error: "was disconnected",
};

export const inMs = (ms) => (ms < 1 ? "< 1 ms" : `${Math.round(ms)} ms`);

export const notFound = (code) =>
  `There is no party with the code “${code}”. Check it; capital and small letters differ.`;

/** Why there is no seat in a party. */
export function refusal({ code, message, details }, party) {
  switch (code) {
    case "session_not_found":
      return notFound(party.code);
    case "session_full":
      if (details.reason === "storage_full") return `${message}.`;
      return `The party is full: all ${details.maxMembers ?? "its"} seats are taken. Try again when somebody has left.`;
    case "already_joined":
      return party.token
        ? "Another tab hosts this party. Go on there."
        : "Another tab holds this seat. Go on there, or try again.";
    case "unauthorized":
      return `The party does not let you in: ${message}`;
    case "version_mismatch":
      return "This page and the server speak different versions. Reload the page.";
    case "invalid_message":
      return `The server can't accept ${details.path === "$.deviceInfo.name" ? "this name" : "this"}: ${details.reason ?? message}`;
    case "connection_failed":
      return "The party server does not answer. Check that this device is in the same network, then try again.";
    default:
      return `The server refused: ${message}`;
  }
}

/** Why there is no new party. */
export function startRefusal({ code, message, details }) {
  switch (code) {
    case "unauthorized":
      return "This server starts parties only for who has its key.";
    case "unreachable":
      return "The party server can't be reached. Check that this device is in the same network, then try again.";
    case "invalid_request":
      return `The server can't accept this: ${details.reason ?? message}`;
    default:
      return `The server can't start a party now: ${message}`;
  }
}

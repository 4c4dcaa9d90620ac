// The server's HTTP API, as far as the page needs it.

/** What the server answered with an error, or that it did not answer. */
export class ServerError extends Error {
  constructor(code, message, details = {}) {
    super(message);
    this.code = code;
    this.details = details;
  }
}

/** Where packets vanish, nothing else would ever end the wait. */
const TIMEOUT_MS = 8_000;

async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { signal: AbortSignal.timeout?.(TIMEOUT_MS), ...options });
  } catch {
    throw new ServerError("unreachable", "The party server can't be reached.");
  }
  if (response.ok) return response;
  const { error } = await response.json().catch(() => ({}));
  throw new ServerError(error?.code ?? "", error?.message ?? response.statusText, error?.details);
}

/** Where the page opens on a party. */
export const addressOf = (code) => `/?session=${encodeURIComponent(code)}`;

const sessionPath = (code) => `/sessions/${encodeURIComponent(code)}`;

export const listParties = async () => (await (await ask("/sessions")).json()).sessions;

export const describeParty = async (code) => (await ask(sessionPath(code))).json();

/** `{ id, hostToken, … }`; the key only for a server that asks for one. */
export async function createParty(party, key) {
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  return (await ask("/sessions", { method: "POST", body: JSON.stringify(party), headers })).json();
}

/** The QR code of a party's link as an SVG element, and the link. */
export async function drawLink(code) {
  const text = await (await ask(`${sessionPath(code)}/qr.svg`)).text();
  const svg = document.importNode(new DOMParser().parseFromString(text, "image/svg+xml").documentElement, true);
  return { svg, link: svg.querySelector("desc").textContent };
}

// The way in, to show to others: QR code, code and link.

import { part } from "/dom.js";
import { addressOf, drawLink } from "/server.js";

/** Fill every invitation of the room; the host's stands open in it. */
export function prepareInvitation(code, isHost) {
  part("invite-card").hidden = !isHost;
  for (const place of document.querySelectorAll(".invitation")) {
    place.replaceChildren(part("invitation").content.cloneNode(true));
    place.querySelector(".code").textContent = code;
    showLink(place, location.origin + addressOf(code));
  }
  drawInvitation(code);
}

async function drawInvitation(code) {
  try {
    // The server knows better than this page how others reach it.
    const { svg, link } = await drawLink(code);
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", "QR code of the link to this party");
    for (const place of document.querySelectorAll(".invitation")) {
      place.querySelector(".qr").replaceChildren(svg.cloneNode(true));
      showLink(place, link);
    }
  } catch {
    // The code and the link are there without it.
  }
}

function showLink(place, link) {
  place.querySelector(".link").textContent = link;
  const button = place.querySelector(".share");
  if (navigator.share) button.textContent = "Share the link";
  button.onclick = () => share(link, place);
}

/** Say what came of it right there: a toast would be behind the dialog. */
async function share(link, place) {
  const said = place.querySelector(".shared");
  said.textContent = "";
  try {
    if (navigator.share) return await navigator.share({ url: link });
    await navigator.clipboard.writeText(link);
    said.textContent = "The link is copied";
  } catch (error) {
    if (error.name === "AbortError") return; // Somebody thought better of it.
    // Without https there is neither: select it, to be copied by hand.
    getSelection().selectAllChildren(place.querySelector(".link"));
    said.textContent = "The link is selected: copy it";
  }
}

export function showInvitation() {
  for (const said of document.querySelectorAll(".shared")) said.textContent = "";
  part("invite-dialog").showModal();
}

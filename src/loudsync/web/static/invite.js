// The way in, to show to others: QR code, code and link.

import { part } from "/dom.js";
import { drawLink } from "/server.js";
import { toast } from "/toasts.js";

/** Fill every invitation of the room; the host's stands open in it. */
export function prepareInvitation(code, isHost) {
  part("invite-card").hidden = !isHost;
  part("invite").hidden = isHost;
  for (const place of document.querySelectorAll(".invitation")) {
    place.replaceChildren(part("invitation").content.cloneNode(true));
    place.querySelector(".code").textContent = code;
    showLink(place, `${location.origin}/?session=${encodeURIComponent(code)}`);
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
  button.onclick = () => share(link, place.querySelector(".link"));
}

async function share(link, shown) {
  try {
    if (navigator.share) return await navigator.share({ url: link });
    await navigator.clipboard.writeText(link);
    toast("The link is copied");
  } catch {
    // Without https there is neither: select it, to be copied by hand.
    getSelection().selectAllChildren(shown);
    toast("The link is selected: copy it");
  }
}

export const showInvitation = () => part("invite-dialog").showModal();

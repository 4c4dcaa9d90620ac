// Questions before something that can't be taken back.

import { part } from "/dom.js";

for (const cancel of document.querySelectorAll("dialog .cancel")) {
  cancel.onclick = () => cancel.closest("dialog").close();
}

/** Open a dialog; gives whether it was answered with yes. */
export function ask(dialog) {
  dialog.returnValue = "";
  if (!dialog.open) dialog.showModal();
  return new Promise((resolve) => {
    // Closed and opened again at once, it hears of the close only now.
    dialog.onclose = () => dialog.open || resolve(dialog.returnValue === "yes");
  });
}

export function confirm({ title, text, yes }) {
  part("confirm-title").textContent = title;
  part("confirm-text").textContent = text;
  part("confirm-yes").textContent = yes;
  return ask(part("confirm-dialog"));
}

/** Gives the reason, which may be empty, or null where nobody is to go. */
export async function askToKick(name) {
  part("kick-title").textContent = `Remove ${name}?`;
  part("kick-reason").value = "";
  return (await ask(part("kick-dialog"))) ? part("kick-reason").value.trim() : null;
}

/** Whatever they ask about is over. */
export function closeDialogs() {
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
}

// On every page: times as people say them, dialogs, and forms that do not leave the page.

import { refresh } from "./live.js";
import { say, tellTimes } from "./words.js";

tellTimes();
setInterval(tellTimes, 15_000);

// Browsers that do not know `command` yet get the same from here.
if (!("commandForElement" in HTMLButtonElement.prototype)) {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[commandfor]");
    const dialog = button && document.getElementById(button.getAttribute("commandfor"));
    if (!dialog) return;
    if (button.getAttribute("command") === "close") dialog.close();
    else dialog.showModal();
  });
}

// A form with `data-quiet` is sent in the background; what changed then appears where it stands.
document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.matches("form[data-quiet]")) return;
  event.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
    say(answer.ok ? form.dataset.quiet : "That did not work. The page shows how things are now.");
  } catch {
    say("The server can not be reached.");
  }
  await refresh();
  button.disabled = false;
  // The button may be gone now; whoever works by keyboard goes on from the page's main part.
  if (!button.isConnected && document.activeElement === document.body) {
    document.getElementById("main").focus({ preventScroll: true });
  }
});

// The list: uploads, whole-page drop, and rows that follow their videos.

import { keepFresh, refresh } from "./live.js";
import { Streams } from "./stream.js";
import { Uploads } from "./upload.js";
import { percent, say } from "./words.js";

const input = document.getElementById("files");
const profile = document.getElementById("profile");
const priority = document.getElementById("priority");
const uploads = new Uploads(document.getElementById("uploads"), document.getElementById("upload-row"), () => refresh());

function take(files) {
  uploads.add([...files], { profile: profile.value, priority: priority.value });
}

input.addEventListener("change", () => {
  take(input.files);
  input.value = "";
});

profile.addEventListener("change", () => {
  document.getElementById("profile-about").textContent = profile.selectedOptions[0]?.dataset.about ?? "";
});

// The whole page takes files. Anything else that is dragged is none of our business.
const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
addEventListener("dragover", (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  event.dataTransfer.dropEffect = "copy";
  document.body.classList.add("over");
});
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.body.classList.remove("over");
});
addEventListener("drop", (event) => {
  document.body.classList.remove("over");
  if (!carriesFiles(event)) return;
  event.preventDefault();
  take(event.dataTransfer.files);
});

// Rows whose video is not final yet, those that are being worked on first, then the oldest.
function unfinished() {
  const rows = [...document.querySelectorAll("[data-video]")].reverse();
  return ["processing", "queued"].flatMap((s) => rows.filter((r) => r.dataset.status === s)).map((r) => r.dataset.video);
}

const known = new Map();

const streams = new Streams((video, final) => {
  const row = video && document.getElementById(`v-${video.id}`);
  if (row && row.dataset.status === video.status && !final) {
    const bar = row.querySelector("progress");
    if (bar) bar.value = video.progress;
    const number = row.querySelector("[data-percent]");
    if (number) number.textContent = percent(video.progress);
    if (!video.cancelling || !row.querySelector(".state form")) return;
  }
  refresh();
});

function look() {
  streams.follow(unfinished());
  for (const row of document.querySelectorAll("[data-video]")) {
    const { video, status, title } = row.dataset;
    const before = known.get(video);
    if (before && before !== status && status !== "queued") say(`${title} is ${status}.`);
    known.set(video, status);
  }
}

document.addEventListener("refreshed", look);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) look();
});
look();

// What no stream follows is looked at every few seconds.
keepFresh(3000, () => unfinished().some((id) => !streams.has(id)));

// One video: its progress while it is converted, then what came of it.

import { keepFresh, refresh } from "./live.js";
import { Streams } from "./stream.js";
import { percent, say } from "./words.js";

const article = document.getElementById("video");
const unfinished = () => ["queued", "processing"].includes(article.dataset.status);
let before = article.dataset.status;

const streams = new Streams((video) => {
  if (video && video.status === article.dataset.status) {
    for (const bar of article.querySelectorAll("progress")) bar.value = video.progress;
    for (const number of article.querySelectorAll("[data-percent]")) number.textContent = percent(video.progress);
    return;
  }
  refresh();
});

function look() {
  streams.follow(unfinished() ? [article.dataset.video] : []);
  if (before !== article.dataset.status) {
    before = article.dataset.status;
    say(`${article.dataset.title} is ${before}.`);
  }
}

document.addEventListener("refreshed", look);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) look();
});
look();
keepFresh(3000, () => unfinished() && !streams.has(article.dataset.video));

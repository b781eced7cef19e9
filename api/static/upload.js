// Uploads: each file is one entry with a progress bar, which can be cancelled and retried.

import { bytes, percent, say, sentence, span } from "./words.js";

const AT_ONCE = 2;

// `crypto.randomUUID` is there on secure origins only; a fleet in a home network has none.
function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");
}

// What is certainly no video is sent as what it is, so that it is refused at once and not
// after its turn in the queue. Browsers know few of the types that videos come in.
function typeOf(file) {
  return /^(video|audio|image|text)\//.test(file.type) ? file.type : "application/octet-stream";
}

// A title from a file's name, as the server would make it from a form.
function titleOf(name) {
  const plain = name.replace(/[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/gu, "").trim();
  return [...(plain.replace(/\.[a-z0-9]{1,5}$/i, "").trim() || plain)].slice(0, 200).join("");
}

class Upload {
  /** One key for all tries of one file: a retry after a lost answer makes no second video. */
  #key = newKey();
  #request = null;
  #since = 0;
  state = "waiting";

  constructor(file, choices, row, queue) {
    Object.assign(this, { file, choices, row, queue });
    this.name = row.querySelector(".name");
    this.note = row.querySelector(".note");
    this.bar = row.querySelector("progress");
    this.again = row.querySelector(".again");
    this.stop = row.querySelector(".stop");
    this.name.textContent = file.name;
    this.note.textContent = `Waits · ${bytes(file.size)}`;
    this.bar.setAttribute("aria-label", `Upload of ${file.name}`);
    this.again.setAttribute("aria-label", `Retry ${file.name}`);
    this.stop.setAttribute("aria-label", `Cancel the upload of ${file.name}`);
    this.again.addEventListener("click", () => this.retry());
    this.stop.addEventListener("click", () => this.cancel());
    if (file.size === 0) this.#wrong({ code: "empty_file", text: "The file is empty.", hopeless: true });
  }

  start() {
    const request = new XMLHttpRequest();
    this.#request = request;
    this.#since = performance.now();
    this.state = "sending";
    const { profile, priority } = this.choices;
    const query = new URLSearchParams({ title: titleOf(this.file.name), profile, priority });
    request.open("POST", `/api/videos?${query}`);
    request.setRequestHeader("Content-Type", typeOf(this.file));
    request.setRequestHeader("Idempotency-Key", this.#key);
    request.upload.addEventListener("progress", (event) => this.#sent(event.loaded));
    request.addEventListener("load", () => this.#answered(request));
    request.addEventListener("error", () => {
      // The server may have refused a large file and hung up before all of it was sent,
      // and the browser tells us nothing of that.
      this.#wrong({ code: "", text: "The connection broke before the upload was through. Press Retry." });
    });
    this.#sent(0);
    request.send(this.file);
  }

  #sent(loaded) {
    const part = this.file.size ? Math.min(1, loaded / this.file.size) : 1;
    this.bar.value = part;
    if (part === 1) {
      this.note.textContent = "Sent, waiting for the answer";
      return;
    }
    const seconds = (performance.now() - this.#since) / 1000;
    const left = seconds > 2 && part > 0 ? `, ${span(seconds / part - seconds)} left` : "";
    this.note.textContent = `${percent(part)} of ${bytes(this.file.size)}${left}`;
  }

  #answered(request) {
    if (request.status !== 200 && request.status !== 202) {
      this.#wrong(sentence(request.status, request.responseText, request.getResponseHeader("Retry-After")));
      return;
    }
    this.state = "done";
    say(`${this.file.name} is uploaded.`);
    this.row.remove();
    this.queue.done(this);
  }

  #wrong({ code, text, hopeless }) {
    this.state = "wrong";
    // The server has another file under this key, so the next try is another upload.
    if (code === "idempotency_key_reused") this.#key = newKey();
    this.row.classList.add("wrong");
    this.note.textContent = text;
    this.again.hidden = Boolean(hopeless);
    this.stop.textContent = "Remove";
    this.stop.setAttribute("aria-label", `Remove ${this.file.name} from the uploads`);
    say(`${this.file.name}: ${text}`);
    this.queue.next();
  }

  retry() {
    this.state = "waiting";
    this.row.classList.remove("wrong");
    this.again.hidden = true;
    this.bar.value = 0;
    this.note.textContent = `Waits · ${bytes(this.file.size)}`;
    this.stop.textContent = "Cancel";
    this.stop.setAttribute("aria-label", `Cancel the upload of ${this.file.name}`);
    this.stop.focus();
    this.queue.next();
  }

  cancel() {
    this.state = "cancelled";
    this.#request?.abort();
    say(`The upload of ${this.file.name} is cancelled.`);
    const neighbour = this.row.nextElementSibling ?? this.row.previousElementSibling;
    this.row.remove();
    (neighbour?.querySelector(".stop") ?? document.getElementById("files")).focus();
    this.queue.next();
  }
}

/** Sends a few files at a time, in the order in which they were given. */
export class Uploads {
  #all = [];

  constructor(list, template, onDone) {
    Object.assign(this, { list, template, onDone });
    addEventListener("beforeunload", (event) => {
      if (this.#all.some((u) => u.state === "sending" || u.state === "waiting")) event.preventDefault();
    });
  }

  add(files, choices) {
    for (const file of files) {
      const row = this.template.content.firstElementChild.cloneNode(true);
      this.list.append(row);
      this.#all.push(new Upload(file, choices, row, this));
    }
    this.next();
  }

  next() {
    this.#all = this.#all.filter((u) => u.state !== "done" && u.state !== "cancelled");
    let sending = this.#all.filter((u) => u.state === "sending").length;
    for (const upload of this.#all) {
      if (sending >= AT_ONCE) break;
      if (upload.state !== "waiting") continue;
      upload.start();
      sending += 1;
    }
  }

  done(upload) {
    this.onDone(upload);
    this.next();
  }
}

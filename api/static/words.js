// What people read: sizes, times and sentences for error codes.

export function bytes(n) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let step = 0;
  while (n >= 1000 && step < units.length - 1) {
    n /= 1000;
    step += 1;
  }
  return `${step === 0 || n >= 100 ? Math.round(n) : n.toFixed(1)} ${units[step]}`;
}

export function percent(part) {
  return `${Math.floor(part * 100)} %`;
}

export function span(seconds) {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

const ago = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "narrow" });
const near = [[60, "second", 1], [3600, "minute", 60], [86400, "hour", 3600], [7 * 86400, "day", 86400]];

function relative(at, now) {
  const seconds = (at - now) / 1000;
  if (Math.abs(seconds) < 5) return "just now";
  for (const [limit, unit, size] of near) {
    if (Math.abs(seconds) < limit) return ago.format(Math.trunc(seconds / size), unit);
  }
  return at.toLocaleDateString("en", { day: "numeric", month: "short", year: "numeric" });
}

/** Writes every moment below `root` as people say it, the exact one in its title. */
export function tellTimes(root = document) {
  const now = new Date();
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    const text = relative(at, now);
    if (time.textContent !== text) time.textContent = text;
    time.title = at.toLocaleString("en", { dateStyle: "long", timeStyle: "medium" });
  }
}

// Codes whose own sentence can say what to do from here; every other problem brings its own.
const sentences = {
  idempotency_key_reused: "The file changed since the first try. Press Retry to upload it as it is now.",
  empty_file: "The file is empty.",
  too_large: "The file is larger than this server accepts.",
  unsupported_media_type: "This is not a video file.",
  upload_too_slow: "The upload was too slow and was stopped. Press Retry.",
  disk_full: "The server's disk is full. Try again later.",
  not_signed_in: "You are signed out. Sign in again, then upload.",
};

/** A sentence for an answer that is not a success. */
export function sentence(status, body, retryAfter) {
  let problem = {};
  try {
    problem = JSON.parse(body) ?? {};
  } catch {
    // A proxy in between may answer with something else than ours.
  }
  let text = sentences[problem.code] ?? problem.detail ?? problem.title;
  if (!text && status === 401) text = sentences.not_signed_in;
  if (!text && status === 413) text = sentences.too_large;
  text ??= `The server answered with ${status}. Press Retry.`;
  const seconds = Number(retryAfter);
  if (seconds > 0) text += ` Try again in ${span(seconds)}.`;
  // The same file would be refused again; what took its key is the exception.
  const hopeless = [400, 413, 415, 422].includes(status) && problem.code !== "idempotency_key_reused";
  return { code: problem.code ?? "", text, hopeless };
}

/** Tells people who do not see the page what has happened. */
export function say(text) {
  const place = document.getElementById("said");
  if (place) place.textContent = text;
}

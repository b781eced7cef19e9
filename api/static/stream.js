// Follows videos through server-sent events.
//
// A browser opens only six connections to one server, and a stream holds one
// for as long as it lasts. So few videos are streamed, none while nobody
// looks, and the rest is refreshed every few seconds.

const MOST = 2;

export class Streams {
  #open = new Map();
  #onVideo;

  /** `onVideo(video, final)` hears of every change. */
  constructor(onVideo) {
    this.#onVideo = onVideo;
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) this.follow([]);
    });
    // A page in the back-forward cache must not hold connections.
    addEventListener("pagehide", () => this.follow([]));
  }

  /** Follows the first of these ids, and no others. */
  follow(ids) {
    const wanted = new Set(document.hidden ? [] : ids.slice(0, MOST));
    for (const [id, source] of this.#open) {
      if (!wanted.has(id)) {
        source.close();
        this.#open.delete(id);
      }
    }
    for (const id of wanted) {
      if (!this.#open.has(id)) this.#start(id);
    }
  }

  /** Whether this video is followed now. */
  has(id) {
    return this.#open.get(id)?.readyState === EventSource.OPEN;
  }

  #start(id) {
    const source = new EventSource(`/api/videos/${encodeURIComponent(id)}/events`);
    this.#open.set(id, source);
    source.addEventListener("video", (event) => this.#onVideo(JSON.parse(event.data), false));
    source.addEventListener("end", () => {
      // The browser would connect again to a stream that has said all it has to say.
      source.close();
      this.#open.delete(id);
      this.#onVideo(null, true);
    });
    source.addEventListener("error", () => {
      // After a lost connection the browser comes back by itself; after a refusal it does not.
      if (source.readyState === EventSource.CLOSED && this.#open.get(id) === source) this.#open.delete(id);
    });
  }
}

-- Times are milliseconds since 1970-01-01T00:00:00Z, by this database's clock.

-- Whose records these are: made once, and kept by the storage, too. One row.
CREATE TABLE fleet (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    id  TEXT NOT NULL
) STRICT;

CREATE TABLE users (
    id            TEXT PRIMARY KEY,
    email         TEXT NOT NULL COLLATE NOCASE UNIQUE,
    password_hash TEXT NOT NULL,
    role          TEXT NOT NULL CHECK (role IN ('user', 'operator')),
    token_version INTEGER NOT NULL DEFAULT 0, -- raised with each new password; tokens of an older one are void
    created_at    INTEGER NOT NULL
) STRICT;

-- Links that sign in once. Only the hash of the token is here.
CREATE TABLE sign_in_links (
    token_hash TEXT PRIMARY KEY,
    user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    expires_at INTEGER NOT NULL
) STRICT;

CREATE TABLE jobs (
    id               TEXT PRIMARY KEY,
    kind             TEXT NOT NULL,
    payload          TEXT NOT NULL,
    priority         TEXT NOT NULL CHECK (priority IN ('high', 'normal', 'low')),
    state            TEXT NOT NULL CHECK (state IN ('scheduled', 'queued', 'running', 'done', 'dead', 'cancelled')),
    owner            TEXT NOT NULL,       -- a user; not looked up, as in Postgres
    run_at           INTEGER NOT NULL,
    attempts         INTEGER NOT NULL DEFAULT 0,
    max_attempts     INTEGER NOT NULL,
    epoch            INTEGER NOT NULL DEFAULT 0,
    lease_until      INTEGER,
    worker           TEXT,                -- who holds it, or held it last
    message_at       INTEGER,             -- when a message (a dead job: its letter) was last sent; NULL: none
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    progress         REAL NOT NULL DEFAULT 0,
    error_code       TEXT,
    error_message    TEXT,
    created_at       INTEGER NOT NULL,
    started_at       INTEGER,
    finished_at      INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX jobs_scheduled ON jobs (run_at) WHERE state = 'scheduled';
CREATE INDEX jobs_queued ON jobs (kind, run_at) WHERE state = 'queued';
CREATE INDEX jobs_unsent ON jobs (run_at) WHERE state = 'queued' AND message_at IS NULL;
CREATE INDEX jobs_unburied ON jobs (id) WHERE state = 'dead' AND message_at IS NULL;
CREATE INDEX jobs_running ON jobs (id) WHERE state = 'running';
CREATE INDEX jobs_dead ON jobs (id) WHERE state = 'dead';
CREATE INDEX jobs_done ON jobs (finished_at) WHERE state = 'done' AND kind = 'transcode';

-- What each claim came to: the job's history. The claim that holds, and the one by which the job
-- was done, are in the job's own row: a job that goes well writes nothing here.
CREATE TABLE attempts (
    job           TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    epoch         INTEGER NOT NULL,
    worker        TEXT NOT NULL,
    started_at    INTEGER NOT NULL,
    ended_at      INTEGER NOT NULL,
    outcome       TEXT NOT NULL,          -- retry, dead, cancelled, handed_back, worker_lost
    error_code    TEXT,
    error_message TEXT,
    PRIMARY KEY (job, epoch)
) STRICT, WITHOUT ROWID;

CREATE TABLE videos (
    id              TEXT PRIMARY KEY,
    owner           TEXT NOT NULL REFERENCES users (id),
    job             TEXT NOT NULL UNIQUE REFERENCES jobs (id),
    title           TEXT NOT NULL,
    profile         TEXT NOT NULL,
    source_bytes    INTEGER NOT NULL,
    idempotency_key TEXT,
    fingerprint     TEXT NOT NULL,        -- of the upload: what a repeated one must equal
    duration_ms     INTEGER,
    width           INTEGER,
    height          INTEGER,
    created_at      INTEGER NOT NULL,
    deleted_at      INTEGER,
    UNIQUE (owner, idempotency_key)
) STRICT;

CREATE INDEX videos_of_owner ON videos (owner, id) WHERE deleted_at IS NULL;
CREATE INDEX videos_deleted ON videos (deleted_at) WHERE deleted_at IS NOT NULL;

-- A video's published files. All are of one epoch.
CREATE TABLE files (
    video        TEXT NOT NULL REFERENCES videos (id) ON DELETE CASCADE,
    name         TEXT NOT NULL,
    kind         TEXT NOT NULL,
    content_type TEXT NOT NULL,
    bytes        INTEGER NOT NULL,
    epoch        INTEGER NOT NULL,
    PRIMARY KEY (video, name)
) STRICT, WITHOUT ROWID;

-- The `database` queue backend. One message a job and lane is enough: it only rings. A lane is in
-- the order of its jobs' ids, which begin with the time by the clock of the process that made them.
CREATE TABLE messages (
    lane       TEXT NOT NULL,
    job        TEXT NOT NULL,
    body       TEXT NOT NULL,
    visible_at INTEGER NOT NULL,
    receipt    INTEGER NOT NULL,          -- number of the delivery, counted from a random one; an older one acknowledges nothing
    PRIMARY KEY (lane, job)
) STRICT, WITHOUT ROWID;

-- Its dead-letter queue: pointers to jobs that gave up, and bodies that nobody understands.
CREATE TABLE dead_letters (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    body       TEXT NOT NULL UNIQUE,
    visible_at INTEGER NOT NULL
) STRICT;

-- What one process at a time does, and which. The epoch counts the holders.
CREATE TABLE duties (
    name        TEXT PRIMARY KEY,
    holder      TEXT NOT NULL,
    epoch       INTEGER NOT NULL,
    lease_until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE workers (
    id          TEXT PRIMARY KEY,
    host        TEXT NOT NULL,
    pid         INTEGER NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('active', 'draining', 'gone')),
    concurrency INTEGER NOT NULL,
    started_at  INTEGER NOT NULL,
    seen_at     INTEGER NOT NULL
) STRICT;

-- What operators did, and when.
CREATE TABLE audit (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    at     INTEGER NOT NULL,
    actor  TEXT NOT NULL,
    action TEXT NOT NULL,
    job    TEXT NOT NULL
) STRICT;

CREATE INDEX audit_of_job ON audit (job);

-- Times are milliseconds since 1970-01-01T00:00:00Z, by this database's clock.

-- Stands still within a statement. date_part counts in binary and costs little; extract counts in
-- decimals, and would be half of what a row of a batch costs.
CREATE FUNCTION now_ms() RETURNS BIGINT LANGUAGE SQL STABLE PARALLEL SAFE
    RETURN (date_part('epoch', statement_timestamp()) * 1000)::BIGINT;

-- Whose records these are: made once, and kept by the storage, too. One row.
CREATE TABLE fleet (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    id  UUID NOT NULL
);

CREATE TABLE users (
    id            UUID PRIMARY KEY,
    email         TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    role          TEXT NOT NULL CHECK (role IN ('user', 'operator')),
    token_version BIGINT NOT NULL DEFAULT 0, -- raised with each new password; tokens of an older one are void
    created_at    BIGINT NOT NULL
);

-- An address is taken whatever the case of its ASCII letters, as in SQLite's NOCASE.
CREATE UNIQUE INDEX users_email ON users (lower(email COLLATE "C"));

-- Links that sign in once. Only the hash of the token is here.
CREATE TABLE sign_in_links (
    token_hash TEXT PRIMARY KEY,
    user_id    UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    expires_at BIGINT NOT NULL
);

-- Words that are only ever the same or not are compared by their bytes, not by a language's rules.
-- A job's row is written a few times within seconds: room for that in its page,
-- and a vacuum that does not wait for a fifth of all jobs to be dead versions.
CREATE TABLE jobs (
    id               UUID PRIMARY KEY,
    kind             TEXT COLLATE "C" NOT NULL,
    payload          TEXT NOT NULL,
    priority         TEXT COLLATE "C" NOT NULL CHECK (priority IN ('high', 'normal', 'low')),
    state            TEXT COLLATE "C" NOT NULL CHECK (state IN ('scheduled', 'queued', 'running', 'done', 'dead', 'cancelled')),
    owner            UUID NOT NULL,       -- a user; not looked up, which costs more than the row: accounts stay
    run_at           BIGINT NOT NULL,
    attempts         BIGINT NOT NULL DEFAULT 0,
    max_attempts     BIGINT NOT NULL,
    epoch            BIGINT NOT NULL DEFAULT 0,
    lease_until      BIGINT,
    worker           UUID,                -- who holds it, or held it last
    message_at       BIGINT,              -- when a message (a dead job: its letter) was last sent; NULL: none
    cancel_requested BOOLEAN NOT NULL DEFAULT FALSE,
    progress         DOUBLE PRECISION NOT NULL DEFAULT 0,
    error_code       TEXT,
    error_message    TEXT,
    created_at       BIGINT NOT NULL,
    started_at       BIGINT,
    finished_at      BIGINT
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

CREATE INDEX jobs_scheduled ON jobs (run_at) WHERE state = 'scheduled';
CREATE INDEX jobs_queued ON jobs (kind, run_at) WHERE state = 'queued';
CREATE INDEX jobs_unsent ON jobs (run_at) WHERE state = 'queued' AND message_at IS NULL;
CREATE INDEX jobs_unburied ON jobs (id) WHERE state = 'dead' AND message_at IS NULL;
-- Not by lease: a heartbeat would write to it.
CREATE INDEX jobs_running ON jobs (id) WHERE state = 'running';
CREATE INDEX jobs_dead ON jobs (id) WHERE state = 'dead';
CREATE INDEX jobs_done ON jobs (finished_at) WHERE state = 'done' AND kind = 'transcode';
CREATE INDEX jobs_unfinished_of_owner ON jobs (owner)
    WHERE state IN ('scheduled', 'queued', 'running') AND kind = 'transcode';

-- What each claim came to: the job's history. The claim that holds, and the one by which the job
-- was done, are in the job's own row: a job that goes well writes nothing here.
CREATE TABLE attempts (
    job           UUID NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    epoch         BIGINT NOT NULL,
    worker        UUID NOT NULL,
    started_at    BIGINT NOT NULL,
    ended_at      BIGINT NOT NULL,
    outcome       TEXT NOT NULL,          -- retry, dead, cancelled, handed_back, worker_lost
    error_code    TEXT,
    error_message TEXT,
    PRIMARY KEY (job, epoch)
) WITH (fillfactor = 80);

CREATE TABLE videos (
    id              UUID PRIMARY KEY,
    owner           UUID NOT NULL REFERENCES users (id),
    job             UUID NOT NULL UNIQUE REFERENCES jobs (id),
    title           TEXT NOT NULL,
    profile         TEXT NOT NULL,
    source_bytes    BIGINT NOT NULL,
    idempotency_key TEXT,
    fingerprint     TEXT NOT NULL,        -- of the upload: what a repeated one must equal
    duration_ms     BIGINT,
    width           BIGINT,
    height          BIGINT,
    created_at      BIGINT NOT NULL,
    deleted_at      BIGINT,
    UNIQUE (owner, idempotency_key)
);

CREATE INDEX videos_of_owner ON videos (owner, id) WHERE deleted_at IS NULL;
CREATE INDEX videos_deleted ON videos (deleted_at) WHERE deleted_at IS NOT NULL;

-- A video's published files. All are of one epoch.
CREATE TABLE files (
    video        UUID NOT NULL REFERENCES videos (id) ON DELETE CASCADE,
    name         TEXT NOT NULL,
    kind         TEXT NOT NULL,
    content_type TEXT NOT NULL,
    bytes        BIGINT NOT NULL,
    epoch        BIGINT NOT NULL,
    PRIMARY KEY (video, name)
);

-- The `database` queue backend. One message a job and lane is enough: it only rings. A lane is in
-- the order of its jobs' ids, which begin with the time by the clock of the process that made them.
CREATE TABLE messages (
    lane       TEXT COLLATE "C" NOT NULL,
    job        UUID NOT NULL,
    body       TEXT NOT NULL,
    visible_at BIGINT NOT NULL,
    receipt    BIGINT NOT NULL,           -- number of the delivery, counted from a random one; an older one acknowledges nothing
    PRIMARY KEY (lane, job)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

-- Its dead-letter queue: pointers to jobs that gave up, and bodies that nobody understands.
CREATE TABLE dead_letters (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    body       TEXT NOT NULL UNIQUE,
    visible_at BIGINT NOT NULL
);

-- What one process at a time does, and which. The epoch counts the holders.
CREATE TABLE duties (
    name        TEXT PRIMARY KEY,
    holder      UUID NOT NULL,
    epoch       BIGINT NOT NULL,
    lease_until BIGINT NOT NULL
);

CREATE TABLE workers (
    id          UUID PRIMARY KEY,
    host        TEXT NOT NULL,
    pid         BIGINT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('active', 'draining', 'gone')),
    concurrency BIGINT NOT NULL,
    started_at  BIGINT NOT NULL,
    seen_at     BIGINT NOT NULL
) WITH (fillfactor = 50);

-- What operators did, and when.
CREATE TABLE audit (
    id     BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at     BIGINT NOT NULL,
    actor  TEXT NOT NULL,
    action TEXT NOT NULL,
    job    UUID NOT NULL
);

CREATE INDEX audit_of_job ON audit (job);

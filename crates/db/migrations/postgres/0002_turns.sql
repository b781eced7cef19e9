-- Periods of which something is done once, whoever does it: the last that was taken, by when it began.
CREATE TABLE turns (
    duty TEXT PRIMARY KEY,
    slot BIGINT NOT NULL
);

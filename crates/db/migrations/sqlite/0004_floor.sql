-- Which versions work on this schema: those that know this migration. Older ones do not start on it.
-- A migration that only adds leaves the number as it is. One that takes away or changes what statements
-- of such versions use raises it in its own text, so that both are done or neither:
--     UPDATE schema_floor SET migration = ...;
-- to the newest migration of the oldest version that still works. One row.
CREATE TABLE schema_floor (
    one       INTEGER PRIMARY KEY CHECK (one = 1),
    migration INTEGER NOT NULL
) STRICT;

-- Versions of before do not look here, and refuse every migration that they do not know.
INSERT INTO schema_floor (one, migration) VALUES (1, 4);

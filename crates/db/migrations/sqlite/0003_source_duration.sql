-- How long a source lasts, as its own header claims; null where none was found.
ALTER TABLE videos ADD COLUMN source_ms INTEGER;

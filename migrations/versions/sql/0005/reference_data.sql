-- Rows of reference/street_aliases.csv are marked when they are loaded; rows without the mark were added at run time.
ALTER TABLE street_aliases ADD COLUMN is_reference boolean NOT NULL DEFAULT false;

-- The words that the function street_word knows.
CREATE TABLE street_words (
    word text PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('direction', 'type', 'unit', 'number')),
    short text NOT NULL
);

-- The files of reference/ and repeatable/ as they were last applied.
CREATE TABLE schema_repeatables (
    name text PRIMARY KEY,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    pending_call text
);

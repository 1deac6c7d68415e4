-- data: street_words
--
-- The function street_word(word) returns 'direction NE', 'type ST', 'unit APT' or 'number 8' for a word in an address,
-- or null. This file copies the rows of the table street_words into the function as a constant, because reading a
-- constant is far faster than reading a table.

DO $make$
BEGIN
    EXECUTE format(
        'CREATE OR REPLACE FUNCTION street_word(word text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE '
        'RETURN %L::jsonb ->> word',
        (SELECT jsonb_object_agg(word, kind || ' ' || short) FROM street_words));
END $make$;
COMMENT ON FUNCTION street_word IS
    'Returns the kind and the short form of an address word from the table street_words, and null for an unknown word.';

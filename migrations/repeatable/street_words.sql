-- data: street_words
--
-- street_word(word) returns 'direction NE', 'type ST', 'unit APT' or 'number 8' for a word of an address, or null. The rows
-- of the table street_words become a constant inside the function, because it is looked up far faster than a table.

DO $make$
BEGIN
    EXECUTE format(
        'CREATE OR REPLACE FUNCTION street_word(word text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE '
        'RETURN %L::jsonb ->> word',
        (SELECT jsonb_object_agg(word, kind || ' ' || short) FROM street_words));
END $make$;
COMMENT ON FUNCTION street_word IS
    'Returns the kind of a word of an address and its short form, as street_words gives them; null for other words.';

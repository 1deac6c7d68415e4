CREATE OR REPLACE FUNCTION phone_key(phone text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN nullif(right(regexp_replace(phone, '\D', '', 'g'), 10), '');
COMMENT ON FUNCTION phone_key IS
    'Returns the last ten digits of a phone number, so that all spellings of an American number are equal.';

-- requires: addresses
-- afterwards: CALL refresh_address_decisions()
--
-- The key under which a decision about an address is kept and found again.

CREATE OR REPLACE FUNCTION decision_address(address text, address_key text, range_key text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    -- 7538-40 is not 7538: a decision about the range must not move a record that names one house.
    WHEN range_key IS NOT NULL THEN address_key || '..' || split_part(range_key, '|', 1)
    WHEN address_key IS NOT NULL THEN address_key
    -- An address key begins with a digit, so it never equals the text of an address that has no key.
    WHEN length(address) <= 300
    THEN 'raw:' || nullif(btrim(regexp_replace(plain_upper(address), '[[:punct:][:space:]]+', ' ', 'g')), '')
END;
COMMENT ON FUNCTION decision_address IS
    'Returns the address_key of a decision, from the address and from what parse_address returns for it. '
    'Without an address key, returns the address in capitals without punctuation, after "raw:". '
    'Returns null for an address without letters and digits, or with more than 300 characters.';

CREATE OR REPLACE FUNCTION decision_key(
    address text, unit text, city text, postal_code text,
    OUT address_key text, OUT unit_key text, OUT zip text, OUT written text
) LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT decision_address(decision_key.address, p.address_key, p.range_key),
           CASE WHEN p.address_key IS NULL THEN public.unit_key(decision_key.unit) ELSE p.unit_key END,
           z.zip,
           CASE WHEN z.zip IS NULL THEN left(btrim(regexp_replace(
               plain_upper(concat_ws(', ', decision_key.address, decision_key.city)), '\s+', ' ', 'g')), 400) END
    FROM parse_address(decision_key.address, decision_key.unit) AS p,
         substring(decision_key.postal_code FROM '^\d{5}') AS z (zip);
END;
COMMENT ON FUNCTION decision_key IS
    'Returns the key under which a decision about an address is kept. Two records with the same key are the same address. '
    'The column written is filled only for a record without ZIP code: such a record must be written the same way. '
    'address_key is null if no decision can be kept.';

CREATE OR REPLACE PROCEDURE refresh_address_decisions() LANGUAGE sql AS $$
    WITH renewed AS (
        SELECT d.id, k.*, row_number() OVER (
                   PARTITION BY k.address_key, k.unit_key, k.zip, k.written ORDER BY d.decided_at DESC, d.id DESC) AS place
        FROM address_decisions d CROSS JOIN LATERAL decision_key(d.address, d.unit, d.city, d.zip) k
        WHERE k.address_key IS NOT NULL
    ), outdated AS (
        DELETE FROM address_decisions d USING renewed r WHERE d.id = r.id AND r.place > 1
    )
    UPDATE address_decisions d
    SET address_key = r.address_key, unit_key = r.unit_key, zip = r.zip, written = r.written
    FROM renewed r
    WHERE d.id = r.id AND r.place = 1
      AND (d.address_key, d.unit_key, d.zip, d.written) IS DISTINCT FROM (r.address_key, r.unit_key, r.zip, r.written)
$$;
COMMENT ON PROCEDURE refresh_address_decisions IS
    'Recalculates the stored keys of all decisions. If two decisions get the same key, only the newer one is kept.';

-- requires: addresses, address_review, address_undo
--
-- The parcels that an operator may accept for the address of an unmatched record, each with what speaks against it.

CREATE OR REPLACE FUNCTION street_difference(written text, street text) RETURNS text LANGUAGE sql STABLE
RETURN CASE
    WHEN street = written OR EXISTS (
        SELECT FROM street_aliases a
        WHERE (a.alias, a.street) IN ((written, street_difference.street), (street_difference.street, written))) THEN NULL
    WHEN split_part(written, '|', 2) = split_part(street, '|', 2) THEN concat_ws('; ',
        CASE WHEN split_part(written, '|', 1) <> split_part(street, '|', 1) THEN format(
            'direction %s, the record says %s', coalesce(nullif(split_part(street, '|', 1), ''), 'none'),
            coalesce(nullif(split_part(written, '|', 1), ''), 'none')) END,
        CASE WHEN split_part(written, '|', 3) <> split_part(street, '|', 3) THEN format(
            'street type %s, the record says %s', coalesce(nullif(split_part(street, '|', 3), ''), 'none'),
            coalesce(nullif(split_part(written, '|', 3), ''), 'none')) END)
    WHEN split_part(written, '|', 2) !~ '^\d+$'
         AND levenshtein_less_equal(left(split_part(written, '|', 2), 255), left(split_part(street, '|', 2), 255), 1) = 1
    THEN format('street name differs by one letter: %s, the record says %s',
                split_part(street, '|', 2), split_part(written, '|', 2))
    ELSE format('street %s, the record says %s', btrim(replace(street, '|', ' ')), btrim(replace(written, '|', ' ')))
END;
COMMENT ON FUNCTION street_difference IS
    'Returns in words how a street of the roll differs from the street that a record names, or null if they are the same. '
    'Both streets have the form direction|name|type.';

CREATE OR REPLACE FUNCTION is_near_street(written text, street text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN split_part(written, '|', 2) = split_part(street, '|', 2) THEN true
    WHEN split_part(written, '|', 2) ~ '^\d+$' THEN false
    ELSE levenshtein_less_equal(left(split_part(written, '|', 2), 255), left(split_part(street, '|', 2), 255), 2) <= 2
         OR split_part(street, '|', 2) LIKE left(split_part(written, '|', 2), 5) || '%'
END;
COMMENT ON FUNCTION is_near_street IS
    'Returns whether a record that names one street may mean the other: the same name, a similar name or the same beginning.';

CREATE OR REPLACE FUNCTION folios_of_house(house text) RETURNS TABLE (folio_number text, address_key text, zip text)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    -- Only a constant pattern can use the index on address_key.
    RETURN QUERY EXECUTE format(
        'SELECT p.folio_number, p.address_key, p.zip FROM properties p WHERE p.address_key LIKE %L', house || '|%');
END $$;
COMMENT ON FUNCTION folios_of_house IS 'Returns the properties with a house number, on any street.';

CREATE OR REPLACE FUNCTION near_folios(address_key text, zip text) RETURNS SETOF text LANGUAGE sql STABLE AS $$
    WITH written AS (
        SELECT split_part(near_folios.address_key, '|', 1) AS house, street_part(near_folios.address_key) AS street
        WHERE near_folios.address_key IS NOT NULL
    ), neighbors AS (
        -- Neighbors on the same street, with its other names. Half house numbers have no neighbors.
        SELECT p.folio_number, 0 AS rank, abs(n) AS distance, p.zip
        FROM written w
        CROSS JOIN generate_series(-20, 20) n
        CROSS JOIN LATERAL (SELECT w.street UNION SELECT a.street FROM street_aliases a WHERE a.alias = w.street) s
        JOIN properties p ON p.address_key = (w.house::bigint + n) || '|' || s.street
        WHERE w.house ~ '^\d{1,9}$'
    ), elsewhere AS (
        SELECT p.folio_number, 1, levenshtein(left(w.street, 255), left(street_part(p.address_key), 255)), p.zip
        FROM written w CROSS JOIN LATERAL folios_of_house(w.house) p
        WHERE is_near_street(w.street, street_part(p.address_key))
    )
    SELECT folio_number FROM (SELECT * FROM neighbors UNION ALL SELECT * FROM elsewhere) n
    GROUP BY folio_number
    ORDER BY bool_or(left(n.zip, 5) IS NOT DISTINCT FROM near_folios.zip) DESC, min(distance), min(rank), folio_number
    LIMIT 20
$$;
COMMENT ON FUNCTION near_folios IS
    'Returns at most 20 folios whose addresses resemble the address: near numbers on the street, and the same number on '
    'streets with a similar name; those in the ZIP code first.';

CREATE OR REPLACE FUNCTION review_candidates(record_id bigint) RETURNS TABLE (
    folio text, address text, unit text, city text, zip text, owner_name text, why_not text
) LANGUAGE sql STABLE AS $$
    WITH written AS (
        SELECT u.candidates, k.address_key, k.unit_key, split_part(k.address_key, '|', 1) AS house,
               split_part(k.range_key, '|', 1) AS last_house, street_part(k.address_key) AS street,
               substring(u.zip FROM '^\d{5}') AS zip
        FROM unmatched_records u CROSS JOIN LATERAL parse_address(u.address, u.unit) k
        WHERE u.id = record_id
    ), chosen AS (
        SELECT f.folio FROM written w CROSS JOIN LATERAL jsonb_array_elements_text(w.candidates) AS f (folio)
        UNION ALL
        SELECT n.folio FROM written w CROSS JOIN LATERAL near_folios(w.address_key, w.zip) AS n (folio)
        WHERE w.candidates = '[]'
    ), compared AS (
        SELECT p.*, concat_ws('; ',
            CASE WHEN split_part(p.address_key, '|', 1) NOT IN (w.house, coalesce(w.last_house, ''))
                 THEN format('house number %s, the record says %s', split_part(p.address_key, '|', 1), w.house) END,
            street_difference(w.street, street_part(p.address_key)),
            CASE WHEN left(p.zip, 5) <> w.zip THEN format('ZIP code %s, the record says %s', left(p.zip, 5), w.zip) END,
            CASE WHEN p.unit_key IS NOT DISTINCT FROM w.unit_key THEN NULL
                 WHEN w.unit_key IS NULL THEN format('has unit %s, the record names none', coalesce(p.unit, p.unit_key))
                 WHEN p.unit_key IS NULL THEN format('has no unit, the record says %s', w.unit_key)
                 ELSE format('has unit %s, the record says %s', coalesce(p.unit, p.unit_key), w.unit_key) END) AS differences
        FROM written w CROSS JOIN chosen c JOIN properties p ON p.folio_number = c.folio
    ), counted AS (
        SELECT c.*, count(*) FILTER (WHERE differences = '') OVER () AS fitting FROM compared c
    )
    SELECT c.folio_number, c.address, c.unit, c.city, c.zip, c.owner_name,
           CASE WHEN c.differences <> '' THEN c.differences
                WHEN c.fitting = 1 THEN 'fits'
                WHEN c.fitting = 2 THEN 'fits, but so does 1 other'
                ELSE format('fits, but so do %s others', c.fitting - 1) END
    FROM counted c
    ORDER BY c.differences <> '', length(c.differences), c.address, c.unit, c.folio_number
    LIMIT 20
$$;
COMMENT ON FUNCTION review_candidates IS
    'Returns at most 20 parcels that may be the property of an unmatched record, each with what speaks against it. If the '
    'match step has found no parcel, these are parcels with a similar address (see near_folios).';

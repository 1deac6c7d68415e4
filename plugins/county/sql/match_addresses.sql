-- addresses_to_match(reference, address, unit, zip) → address_matches(reference, folio, reason, candidates).
-- A wrong match is worse than none: number, direction, street and type must be equal, and only one folio may fit.
CREATE TEMP TABLE address_matches ON COMMIT DROP AS
WITH parsed AS MATERIALIZED (
    SELECT a.reference, a.address, p.address_key, p.unit_key,
           substring(a.zip FROM '^\d{5}') AS zip
    FROM addresses_to_match a CROSS JOIN LATERAL parse_address(a.address, a.unit) p
), keys AS (
    SELECT reference, address_key FROM parsed WHERE address_key IS NOT NULL
    UNION
    -- Aliases are what records say; properties carry the street of the grid.
    SELECT p.reference, split_part(p.address_key, '|', 1) || '|' || s.street
    FROM parsed p JOIN street_aliases s ON s.alias = substr(p.address_key, strpos(p.address_key, '|') + 1)
), candidates AS (
    SELECT p.reference, c.folio_number, c.unit_key, c.unit_key IS NOT DISTINCT FROM p.unit_key AS same_unit
    FROM keys k
    JOIN parsed p USING (reference)
    JOIN properties c ON c.address_key = k.address_key
    WHERE p.zip IS NULL OR c.zip IS NULL OR left(c.zip, 5) = p.zip
), counted AS (
    SELECT reference,
           count(*) AS folios,
           count(*) FILTER (WHERE same_unit) AS same_unit,
           count(*) FILTER (WHERE unit_key IS NULL) AS without_unit,
           min(folio_number) FILTER (WHERE same_unit) AS the_unit,
           min(folio_number) AS the_folio,
           (array_agg(folio_number ORDER BY folio_number))[1:20] AS candidates
    FROM candidates GROUP BY reference
), judged AS (
    SELECT p.reference,
           CASE
               WHEN p.unit_key IS NOT NULL AND c.same_unit = 1 THEN c.the_unit
               -- One folio without units: a house, or a building that is one parcel.
               WHEN c.folios = 1 AND c.without_unit = 1 THEN c.the_folio
           END AS folio,
           CASE
               WHEN p.address IS NULL THEN 'no address'
               WHEN p.address_key IS NULL THEN 'address not understood'
               WHEN c.folios IS NULL THEN 'no property at this address'
               WHEN p.unit_key IS NULL AND c.folios = 1 THEN 'ambiguous: the property has units, the record names none'
               WHEN p.unit_key IS NOT NULL AND c.same_unit = 0 THEN 'no property with this unit'
               ELSE 'ambiguous: several properties at this address'
           END AS reason,
           coalesce(to_jsonb(c.candidates), '[]') AS candidates
    FROM parsed p LEFT JOIN counted c USING (reference)
)
SELECT reference, folio, CASE WHEN folio IS NULL THEN reason END AS reason, candidates FROM judged;
ANALYZE address_matches

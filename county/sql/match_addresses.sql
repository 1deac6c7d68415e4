-- Find the folio for each address. Reads addresses_to_match(reference, address, unit, city, zip); creates
-- address_matches(reference, folio, reason, candidates, decision_id). An operator's decision about an address is followed.
-- For all other addresses, a wrong match is worse than no match, so the house number, direction, street name and street
-- type must all be equal, and exactly one folio must fit.
CREATE TEMP TABLE parsed ON COMMIT DROP AS
SELECT a.reference, a.address, decision_address(a.address, p.address_key, p.range_key) AS decision_address,
       p.address_key, p.range_key, p.unit_key,
       substr(p.address_key, strpos(p.address_key, '|')) AS street,
       substring(a.zip FROM '^\d{5}') AS zip, plain_upper(btrim(a.city)) AS city
FROM addresses_to_match a CROSS JOIN LATERAL parse_address(a.address, a.unit) p;
ANALYZE parsed;

-- The key is calculated in full only for the few records whose address has a decision. An accepted folio that is no
-- longer in properties decides nothing.
CREATE TEMP TABLE decisions ON COMMIT DROP AS
SELECT a.reference, d.id, d.decision, d.folio_number
FROM address_decisions d
JOIN parsed p ON p.decision_address = d.address_key
JOIN addresses_to_match a ON a.reference = p.reference
CROSS JOIN LATERAL decision_key(a.address, a.unit, a.city, a.zip) k
LEFT JOIN properties f ON f.folio_number = d.folio_number
WHERE (k.unit_key, k.zip, k.written) IS NOT DISTINCT FROM (d.unit_key, d.zip, d.written)
  AND (d.decision = 'rejected' OR f.folio_number IS NOT NULL);
ANALYZE decisions;

-- Collect pairs of names for the same street; a name is an alias or the roll's name. An alias that two streets share
-- may be replaced by either street's name, but neither street's name is replaced by the alias.
CREATE TEMP TABLE synonyms ON COMMIT DROP AS
SELECT '|' || alias AS street, '|' || street AS other FROM street_aliases
UNION
SELECT '|' || min(street), '|' || alias FROM street_aliases GROUP BY alias HAVING count(*) = 1
UNION
SELECT '|' || a.alias, '|' || b.alias FROM street_aliases a JOIN street_aliases b USING (street)
WHERE a.alias <> b.alias
  AND (SELECT count(*) FROM street_aliases c WHERE c.alias = b.alias) = 1;

CREATE TEMP TABLE wanted ON COMMIT DROP AS
WITH ends AS (
    SELECT reference, zip, address_key AS key, street FROM parsed WHERE address_key IS NOT NULL
    UNION ALL
    SELECT reference, zip, range_key, street FROM parsed WHERE range_key IS NOT NULL
)
SELECT reference, zip, key FROM ends
UNION
SELECT e.reference, e.zip, split_part(e.key, '|', 1) || s.other FROM ends e JOIN synonyms s USING (street);
ANALYZE wanted;

CREATE TEMP TABLE candidates ON COMMIT DROP AS
SELECT w.reference, c.folio_number, c.unit_key, c.city
FROM wanted w JOIN properties c ON c.address_key = w.key
WHERE w.zip IS NULL OR c.zip IS NULL OR left(c.zip, 5) = w.zip;
ANALYZE candidates;

-- Find the records without candidates. Their street names may be misspelled or incomplete. A misspelled street name is
-- accepted if no street in the county has the name as written. A wrong house number is never accepted.
CREATE TEMP TABLE strays ON COMMIT DROP AS
SELECT p.reference, p.zip, p.street, split_part(p.address_key, '|', 1) AS house,
       split_part(p.street, '|', 2) AS direction, split_part(p.street, '|', 3) AS name,
       split_part(p.street, '|', 4) AS type
FROM parsed p
WHERE p.street ~ '^\|[NSEW]*\|\D+\|'
  AND NOT EXISTS (SELECT FROM candidates c WHERE c.reference = p.reference);
ANALYZE strays;

CREATE TEMP TABLE known_streets ON COMMIT DROP AS
SELECT s.street, s.street AS other, s.zip,
       split_part(s.street, '|', 2) AS direction, split_part(s.street, '|', 3) AS name,
       split_part(s.street, '|', 4) AS type
FROM (SELECT DISTINCT substr(address_key, strpos(address_key, '|')) AS street, left(zip, 5) AS zip
      FROM properties
      WHERE address_key IS NOT NULL AND EXISTS (SELECT FROM strays)) s
WHERE s.street ~ '^\|[NSEW]*\|\D+\|'
UNION ALL
SELECT street, other, NULL, split_part(street, '|', 2), split_part(street, '|', 3), split_part(street, '|', 4)
FROM synonyms WHERE street ~ '^\|[NSEW]*\|\D+\|';
ANALYZE known_streets;

CREATE TEMP TABLE unknown_streets ON COMMIT DROP AS
SELECT DISTINCT street, zip, direction, name, type FROM strays s
WHERE NOT EXISTS (SELECT FROM known_streets k WHERE k.street = s.street AND (k.zip = s.zip) IS NOT FALSE);
ANALYZE unknown_streets;

CREATE TEMP TABLE likely_streets ON COMMIT DROP AS
-- Correct a misspelled street name only if no street in the whole county has the name as written.
SELECT DISTINCT u.street, u.zip, k.other
FROM unknown_streets u
JOIN known_streets k
  ON k.direction = u.direction AND k.type = u.type
 AND abs(length(replace(k.name, ' ', '')) - length(replace(u.name, ' ', ''))) <= 2
WHERE NOT EXISTS (SELECT FROM known_streets s WHERE (s.direction, s.name, s.type) = (u.direction, u.name, u.type))
  AND is_misspelling(replace(u.name, ' ', ''), replace(k.name, ' ', ''))
UNION
-- If a street name lacks its direction or type, or has a direction that the roll leaves out, use the known street with
-- that name. Do so only if exactly one known street in the ZIP code has that name.
SELECT u.street, u.zip, min(k.other)
FROM unknown_streets u
JOIN known_streets k ON k.name = u.name AND (u.type = '' OR k.type = u.type) AND (k.zip = u.zip) IS NOT FALSE
GROUP BY u.street, u.zip
HAVING count(DISTINCT k.other) = 1 AND bool_and(u.direction = '' OR k.direction IN ('', u.direction));
ANALYZE likely_streets;

INSERT INTO candidates
SELECT DISTINCT s.reference, c.folio_number, c.unit_key, c.city
FROM strays s
JOIN likely_streets l ON l.street = s.street AND l.zip IS NOT DISTINCT FROM s.zip
JOIN properties c ON c.address_key = s.house || l.other
WHERE s.zip IS NULL OR c.zip IS NULL OR left(c.zip, 5) = s.zip;
ANALYZE candidates;

CREATE TEMP TABLE address_matches ON COMMIT DROP AS
WITH fitting AS (
    SELECT c.reference, c.folio_number, c.unit_key,
           c.unit_key IS NOT DISTINCT FROM p.unit_key AS same_unit,
           -- Postal addresses use "Miami" for about a dozen cities, but not for cities that have their own post office.
           CASE p.city
               WHEN 'MIAMI' THEN NOT coalesce(m.has_post_office, false)
               ELSE p.city IN (plain_upper(c.city), plain_upper(m.municipality))
           END AS same_city
    FROM candidates c
    JOIN parsed p USING (reference)
    LEFT JOIN municipalities m ON m.folio_prefix = left(c.folio_number, 2)
), counted AS (
    SELECT reference,
           count(*) AS folios,
           count(*) FILTER (WHERE same_unit) AS same_unit,
           count(*) FILTER (WHERE unit_key IS NULL) AS without_unit,
           count(*) FILTER (WHERE same_city) AS in_city,
           count(*) FILTER (WHERE same_city AND same_unit) AS same_unit_in_city,
           count(*) FILTER (WHERE same_city AND unit_key IS NULL) AS without_unit_in_city,
           min(folio_number) FILTER (WHERE same_unit) AS the_unit,
           min(folio_number) FILTER (WHERE same_unit AND same_city) AS the_unit_in_city,
           min(folio_number) AS the_folio,
           min(folio_number) FILTER (WHERE same_city) AS the_folio_in_city,
           (array_agg(folio_number ORDER BY folio_number))[1:20] AS candidates
    FROM fitting GROUP BY reference
), decided AS (
    SELECT p.reference, d.id AS decision_id,
           CASE
               WHEN d.id IS NOT NULL THEN d.folio_number
               WHEN p.unit_key IS NOT NULL AND c.same_unit = 1 THEN c.the_unit
               WHEN p.unit_key IS NOT NULL AND c.same_unit_in_city = 1 THEN c.the_unit_in_city
               -- The only folio at the address has no unit, so it is a house or a building that is a single parcel.
               WHEN c.folios = 1 AND c.without_unit = 1 THEN c.the_folio
               WHEN c.in_city = 1 AND c.without_unit_in_city = 1 THEN c.the_folio_in_city
           END AS folio,
           CASE
               WHEN d.decision = 'rejected' THEN 'rejected by an operator'
               WHEN p.address IS NULL THEN 'no address'
               WHEN p.address_key IS NULL THEN 'address not understood'
               WHEN c.folios IS NULL THEN 'no property at this address'
               WHEN p.unit_key IS NULL AND c.folios = 1 THEN 'ambiguous: the property has units, the record names none'
               WHEN p.unit_key IS NOT NULL AND c.same_unit = 0 THEN 'no property with this unit'
               ELSE 'ambiguous: several properties at this address'
           END AS reason,
           coalesce(to_jsonb(c.candidates), '[]') AS candidates
    FROM parsed p LEFT JOIN counted c USING (reference) LEFT JOIN decisions d USING (reference)
)
SELECT reference, folio, CASE WHEN folio IS NULL THEN reason END AS reason, candidates, decision_id FROM decided;
ANALYZE address_matches

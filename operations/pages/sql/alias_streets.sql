-- Return the streets of the parcels that may be meant, as an operator would write them.
SELECT DISTINCT btrim(regexp_replace(replace(street_part(p.address_key), '|', ' '), ' +', ' ', 'g')) AS street
FROM review_candidates(%(id)s) c JOIN properties p ON p.folio_number = c.folio
WHERE p.address_key IS NOT NULL
ORDER BY 1

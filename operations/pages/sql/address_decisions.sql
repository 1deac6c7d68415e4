-- Return the decisions about addresses before an id, newest first, with the reason that was given.
SELECT d.id, d.address, d.unit, d.city, d.zip, d.decision, d.folio_number AS folio, d.decided_by, d.decided_at, d.reason,
       p.address AS parcel
FROM address_decisions d LEFT JOIN properties p ON p.folio_number = d.folio_number
WHERE %(before)s::bigint IS NULL OR d.id < %(before)s
ORDER BY d.id DESC LIMIT %(limit)s

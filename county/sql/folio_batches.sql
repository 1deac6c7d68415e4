-- Divide the folios in merged_folios into batches of neighbors.
SELECT ingestion_id, array_agg(folio ORDER BY folio)::text AS folios
FROM (
    SELECT ingestion_id, folio, (row_number() OVER (PARTITION BY ingestion_id ORDER BY folio) - 1) / %(size)s AS batch
    FROM (SELECT DISTINCT ingestion_id, folio FROM merged_folios) f) b
GROUP BY ingestion_id, batch
ORDER BY ingestion_id, batch

-- Divide the folios in merged_folios into batches. A batch of 2,500 folios fits into the processor's cache, and its memory
-- does not depend on the number of folios that the day touches.
SELECT ingestion_id, array_agg(folio ORDER BY folio)::text AS folios
FROM (
    SELECT ingestion_id, folio, (row_number() OVER (PARTITION BY ingestion_id ORDER BY folio) - 1) / 2500 AS batch
    FROM (SELECT DISTINCT ingestion_id, folio FROM merged_folios) f) b
GROUP BY ingestion_id, batch
ORDER BY ingestion_id, batch

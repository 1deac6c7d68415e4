WITH batches AS (
    -- A batch of 5,000 folios fits into the processor's cache. With batches, memory use does not depend on the number
    -- of folios that the day touches.
    SELECT array_agg(folio ORDER BY folio) AS folios
    FROM (SELECT folio, (row_number() OVER (ORDER BY folio) - 1) / 5000 AS batch FROM touched_folios) t
    GROUP BY batch
    ORDER BY batch
), refreshed AS (
    SELECT coalesce(sum(r.created), 0)::bigint AS created, coalesce(sum(r.updated), 0)::bigint AS updated
    FROM batches b CROSS JOIN LATERAL refresh_properties(b.folios) r
), logged AS (
    -- Add to the counts instead of setting them. If a task is killed after its commit, its retry counts nothing, and
    -- the killed task's counts must be kept.
    UPDATE data_ingestion_logs
    SET new_properties = new_properties + r.created, updated_properties = updated_properties + r.updated
    FROM refreshed r WHERE id = %(ingestion_id)s
)
SELECT created, updated, (SELECT count(*) FROM incoming_documents WHERE is_changed) AS documents,
       (SELECT count(*) FROM incoming_parties WHERE is_changed) + (SELECT count(*) FROM gone_parties) AS parties
FROM refreshed

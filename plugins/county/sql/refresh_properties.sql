WITH refreshed AS (
    SELECT created, updated FROM refresh_properties((SELECT array_agg(folio ORDER BY folio) FROM touched_folios))
), logged AS (
    -- Added, not set: a task that died after its commit finds nothing new when it runs again.
    UPDATE data_ingestion_logs
    SET new_properties = new_properties + r.created, updated_properties = updated_properties + r.updated
    FROM refreshed r WHERE id = %(ingestion_id)s
)
SELECT created, updated, (SELECT count(*) FROM incoming_documents WHERE is_changed) AS documents,
       (SELECT count(*) FROM incoming_parties WHERE is_changed) + (SELECT count(*) FROM gone_parties) AS parties
FROM refreshed

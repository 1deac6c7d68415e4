-- Derive the properties of one batch of folios, and count them in the row of the run that changed their documents.
WITH refreshed AS (
    SELECT created, updated FROM refresh_properties(%(folios)s::text[])
), logged AS (
    -- Add to the counts instead of setting them, because each batch is a transaction.
    UPDATE data_ingestion_logs
    SET new_properties = new_properties + r.created, updated_properties = updated_properties + r.updated
    FROM refreshed r WHERE id = %(ingestion_id)s
)
SELECT created, updated FROM refreshed

-- A repeated migration finds the table.
CREATE TABLE IF NOT EXISTS merged_folios (
    ingestion_id bigint NOT NULL,
    folio text NOT NULL
);

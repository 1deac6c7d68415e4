ALTER TABLE leads ADD COLUMN reopens_as text;

UPDATE miami_dade_api_logs
SET query_type = CASE WHEN query_type = 'folio' THEN 'FOLIO' ELSE query_type END,
    query_params = CASE WHEN query_params ? 'folio_number'
                        THEN query_params - 'folio_number'
                             || jsonb_build_object('FOLIO_NUMBER', query_params -> 'folio_number')
                        ELSE query_params END,
    triggered_by = CASE WHEN triggered_by = 'property_lookup' THEN 'subscriber_query' ELSE triggered_by END,
    response_status = CASE response_status
                          WHEN 'Successful' THEN CASE WHEN records_returned = 0 THEN 'no_data' ELSE 'success' END
                          WHEN 'Failed' THEN 'county_failed'
                          ELSE response_status END
WHERE query_type = 'folio' OR triggered_by = 'property_lookup' OR query_params ? 'folio_number'
   OR response_status IN ('Successful', 'Failed');

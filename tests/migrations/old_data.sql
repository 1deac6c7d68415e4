-- Insert rows into every table that revision 0001 creates. The rows have the states that occur in a running system.

INSERT INTO users (email, first_name, phone_number, subscription_status, token_balance, email_preferences)
VALUES ('ana@example.com', 'Ana', '+13055550101', 'active', 900, '{"low_balance_threshold": 300}'),
       ('ben@example.com', 'Ben', '+13055550102', 'trialing', 5, '{}');
INSERT INTO subscriber_lead_criteria (subscriber_id, lead_types, channels) VALUES (1, '{probate,eviction}', '{email,sms}');
INSERT INTO call_consents (subscriber_id, phone_number, source) VALUES (1, '+13055550199', 'form');
INSERT INTO suppressions (channel, address, reason) VALUES ('email', 'ben@example.com', 'bounce');
INSERT INTO ai_scripts (subscriber_id, name) VALUES (1, 'first');

INSERT INTO properties (folio_number, address, unit, city, zip, owner_name, last_sale_date, last_sale_price)
VALUES ('3040010010010', '1234 NW 7 ST', NULL, 'Miami', '33125', 'DOE JANE', '2026-10-01', 410000),
       ('3040010010020', '8 CALLE OCHO', 'APT 2', 'Miami', '33130', NULL, NULL, NULL);
INSERT INTO document_versions (cfn_year, cfn_seq, group_id, business_date, line_number, document_code, recorded_on,
                               folio_number, consideration_1, transaction_type, is_live)
VALUES (2026, 100, 1, '2026-11-20', 1, 'DEE', '2026-11-19', '3040010010010', 410000, 'I', true);
INSERT INTO party_versions (cfn_year, cfn_seq, group_id, party_key, business_date, line_number, party_sequence, party_code,
                            party_name, transaction_type, is_live)
VALUES (2026, 100, 1, 1, '2026-11-20', 1, 1, 'R', 'DOE JANE', 'I', true);
INSERT INTO api_documents (cfn_year, cfn_seq, group_id, day, answered_at, document_code, folio)
VALUES (2026, 101, 1, '2026-11-21', '2026-11-21 12:00Z', 'MOR', '3040010010010');
INSERT INTO api_parties VALUES (2026, 101, 1, 1, 'D', 'DOE JANE');
INSERT INTO leads (property_id, lead_type, source_reference, lead_date, business_date, contact_name, lead_score, status)
VALUES (1, 'probate', 'P-1', '2026-11-20', '2026-11-20', 'DOE JANE', 95, 'new'),
       (2, 'eviction', 'E-1', '2026-11-20', '2026-11-20', 'ROE RICHARD', 75, 'closed');
INSERT INTO street_aliases (alias, street) VALUES ('|FLAGLER EXTENSION|ST', '|FLAGLER|ST');
INSERT INTO pending_folios VALUES ('2026-11-20', '3040010010010');

INSERT INTO data_ingestion_logs (ingestion_type, ingestion_date, run_id, records_processed, status)
VALUES ('daily_ftp', '2026-11-20', 'manual__1', 2, 'success');
INSERT INTO ingestion_files (ingestion_id, file, object_name, checksum, bytes)
VALUES (1, 'Cases.exp', 'daily/2026-11-20/Cases.exp', 'c0ffee', 10);
INSERT INTO rejected_records (feed, business_date, file_name, line_number, reason, raw_line)
VALUES ('daily', '2026-11-20', 'Cases.exp', 3, 'too few columns', 'x^y');
INSERT INTO unmatched_records (feed, business_date, source_reference, address, reason)
VALUES ('weekly', '2026-11-20', 'E-2', '1 NOWHERE ST', 'no property');
INSERT INTO failed_jobs (queue_name, job_name, error_message, job_key) VALUES ('daily-ftp-ingestion', 'merge', 'killed', 'run:1');
INSERT INTO matched_records VALUES (1, '2026-102-1', '1234 NW 7 ST', '3040010010010');
CREATE TABLE staging_parties_1 PARTITION OF staging_parties FOR VALUES IN (1);
INSERT INTO staging_parties VALUES (1, 1, 2026, 100, 1, 1, 'R', 'DOE JANE', NULL, 'I');
INSERT INTO task_failures (dag_id, run_id, task_id, error) VALUES ('daily_ftp_ingestion', 'manual__1', 'merge', 'killed');

INSERT INTO court_records (record_type, case_number, business_date, entry, party_name, counterparty_name, is_disposed,
                           address, property_id, is_live)
VALUES ('eviction', 'E-1', '2026-11-16', 1, 'TENANT TED', 'ROE RICHARD', false, '8 CALLE OCHO APT 2', 2, false),
       ('eviction', 'E-1', '2026-11-23', 1, 'TENANT TED', 'ROE RICHARD', true, '8 CALLE OCHO APT 2', 2, true),
       ('probate', 'P-1', '2026-11-01', 1, 'DOE JOHN', 'DOE JANE', false, '1234 NW 7 ST', 1, true);
INSERT INTO pending_cases VALUES ('2026-11-23', 'eviction', 'E-1');

INSERT INTO lookups (folio_number, subscriber_id, state, expires_at, finished_at, units_consumed)
VALUES ('3040010010010', 1, 'answered', '2026-11-21 12:01Z', '2026-11-21 12:00Z', 1),
       ('3040010010020', 2, 'queued', '2026-11-21 12:01Z', NULL, 0);
INSERT INTO api_unit_budget VALUES ('2026-11-21', 1, 500);
INSERT INTO miami_dade_api_logs (query_type, query_params, units_consumed, response_status, subscriber_id)
VALUES ('FOLIO', '{"FOLIO_NUMBER": "3040010010010"}', 1, 'success', 1);
UPDATE api_balance_levels SET is_below = true, crossings = 3 WHERE below = 1000;

-- Insert six deliveries: one queued, one sending, one delivered (its tokens are settled), one failed (its tokens are
-- released), one skipped, and one unknown. The text to Ben is skipped because Ben has only five tokens.
SELECT open_deliveries(ARRAY[
    ('new_lead_alert', 1, 1, 'lead:1:user:1:new_lead_alert', 95, NULL, NULL, NULL)::delivery_request,
    ('urgent_lead_sms', 1, 1, 'lead:1:user:1:urgent_lead_sms', 95, NULL, NULL, NULL)::delivery_request,
    ('daily_digest', 1, NULL, 'digest:1:2026-11-20', NULL, NULL, '{"day": "2026-11-20"}', NULL)::delivery_request,
    ('weekly_report', 1, NULL, 'report:1:2026-11-16', NULL, NULL, NULL, NULL)::delivery_request,
    ('urgent_lead_sms', 2, 1, 'lead:1:user:2:urgent_lead_sms', 95, NULL, NULL, NULL)::delivery_request,
    ('outbound_call', 1, 1, 'call:1:1:1:r', NULL, NULL, NULL, NULL)::delivery_request]);
UPDATE deliveries SET state = 'sending', attempts = 1, claim = gen_random_uuid(), claimed_at = now()
WHERE dedupe_key = 'lead:1:user:1:urgent_lead_sms';
UPDATE deliveries SET state = 'delivered', attempts = 1, provider_id = 'sg-1', accepted_at = now()
WHERE dedupe_key = 'digest:1:2026-11-20';
SELECT settle_tokens(ARRAY[(SELECT id FROM deliveries WHERE dedupe_key = 'digest:1:2026-11-20')]);
UPDATE deliveries SET state = 'failed', error_code = 'x' WHERE dedupe_key = 'report:1:2026-11-16';
SELECT release_tokens(ARRAY[(SELECT id FROM deliveries WHERE dedupe_key = 'report:1:2026-11-16')], 'failed');
UPDATE deliveries SET state = 'unknown', attempts = 1 WHERE dedupe_key = 'call:1:1:1:r';
INSERT INTO delivery_events (delivery_id, provider, event, event_key, provider_id, applied_at)
SELECT id, 'sendgrid', 'delivered', 'sg-1:delivered', 'sg-1', now() FROM deliveries WHERE provider_id = 'sg-1';
INSERT INTO low_balance_watch VALUES (2) ON CONFLICT DO NOTHING;
INSERT INTO queue_metrics (queue_name, waiting_count) VALUES ('email-workflows', 1);
INSERT INTO lane_status (process_id, queue_name) VALUES ('host:1', 'email-workflows');
INSERT INTO lane_breakers (queue_name, next_trial_at, code) VALUES ('sms-notifications', now(), '20003');
INSERT INTO oncall_alerts (fingerprint, severity, subject) VALUES ('breaker:sms', 'critical', 'SMS provider refuses everything');
INSERT INTO cleanup_batches (rule, row_ids) VALUES ('queue_metrics', '{1}');

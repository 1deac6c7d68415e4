-- What the tables, columns and indexes hold. Comments of functions and views are in the files that make them.

-- ── Subscribers ────────────────────────────────────────────────────────────────────────────────────────────────────

COMMENT ON TABLE users IS 'Subscribers. The app owns the rows; the ledger owns token_balance.';
COMMENT ON COLUMN users.token_balance IS
    'Tokens left to spend. A trigger writes a grant or adjust entry for each change that the ledger did not make.';
COMMENT ON COLUMN users.subscription_status IS 'Only active and trialing subscribers receive lead alerts.';
COMMENT ON TABLE subscriber_lead_criteria IS
    'The leads that a subscriber receives. An empty list of cities means all cities; a subscriber may have several rows.';
COMMENT ON TABLE lead_types IS
    'The types of leads: their name in messages, why the owner may sell, the base score, and whether a new one is texted.';
COMMENT ON TABLE call_consents IS
    'Phone numbers that may be called, and until when. Without a row that is not revoked, a number is not called.';
COMMENT ON TABLE suppressions IS
    'Addresses to which nothing may be sent, because of STOP, a bounce, a complaint or an unsubscribe.';

-- ── Properties and documents ───────────────────────────────────────────────────────────────────────────────────────

COMMENT ON TABLE document_types IS
    'The Clerk''s document codes and the transaction that each stands for. A code that is not listed counts as other.';
COMMENT ON COLUMN document_types.releases_mortgage IS
    'Whether the document ends a mortgage. A partial release or a satisfaction of judgment does not.';
COMMENT ON COLUMN municipalities.has_post_office IS
    'Whether addresses name the municipality itself. Addresses in most others may say Miami.';
COMMENT ON TABLE properties IS
    'One row for each folio (parcel), derived from recorded documents, the parcel roll and the county''s API.';
COMMENT ON COLUMN properties.last_updated IS
    'Time of the newest fact from a recorded document or the county''s API. A lookup is answered from a row younger than 30 days.';
COMMENT ON COLUMN properties.document_facts IS
    'Facts (owner, sale, mortgage, transaction, address) that came from recorded documents. Only these are removed when '
    'their document is deleted.';
COMMENT ON COLUMN properties.address_key IS 'Normal form of the address (parse_address), written by a trigger.';
COMMENT ON TABLE document_versions IS
    'Every version of a recorded document: the last line for it in the file of each business date.';
COMMENT ON COLUMN document_versions.matched_folio IS 'Folio found by address for a record that names none.';
COMMENT ON COLUMN document_versions.has_row_keys IS
    'Whether the line came from the Clerk''s 42-column file, in which a document is live while one of its party rows is.';
COMMENT ON COLUMN document_versions.is_live IS 'Whether this is the newest version of a document that is not deleted.';
COMMENT ON TABLE party_versions IS 'Every version of each party of a document, like document_versions.';
COMMENT ON COLUMN party_versions.party_key IS
    'Identifies the party in its document: its sequence number, or the row key of the 42-column file.';
COMMENT ON TABLE api_documents IS
    'The latest answer of the county''s API for each document. It is valid until a file of a later business date mentions '
    'the document.';
COMMENT ON COLUMN api_documents.day IS 'New York day of the answer, for comparison with business dates.';
COMMENT ON TABLE api_parties IS 'All parties of a document in the API''s answer. They replace all parties from the files.';
COMMENT ON TABLE folios_to_refresh IS
    'Folios that the API reported while a merge was running. Neither side saw the other''s documents, so these properties '
    'are derived again.';
COMMENT ON TABLE street_aliases IS
    'Other names of numbered streets. Both columns are in the normal form of parse_address: direction|name|type.';
COMMENT ON COLUMN street_aliases.is_reference IS
    'Whether the row came from reference/street_aliases.csv. Each migration removes marked rows that the file no longer has '
    'and leaves the other rows, which were added at run time, alone.';
COMMENT ON TABLE street_words IS 'Words of addresses with their kind and short form. The function street_word is made from them.';
COMMENT ON TABLE land_uses IS
    'Property types for the land uses in the parcel roll. The first pattern (regular expression) by rank that matches counts.';

-- ── Ingestion ──────────────────────────────────────────────────────────────────────────────────────────────────────

COMMENT ON TABLE data_ingestion_logs IS 'One row for each run, inserted when the run begins and updated when it ends.';
COMMENT ON COLUMN data_ingestion_logs.records_processed IS 'Number of staged lines of all files.';
COMMENT ON TABLE ingestion_files IS 'Archived objects that each run read, with the number of their lines.';
COMMENT ON TABLE rejected_records IS
    'Every line that could not be staged, unchanged, with its line number in the file and the reason.';
COMMENT ON TABLE unmatched_records IS
    'Records without a folio that match no property or more than one. Each run tries them again for 90 days.';
COMMENT ON COLUMN unmatched_records.entry IS 'Number of the party in a court case (court_records); 1 for documents.';
COMMENT ON TABLE matched_records IS 'Properties found for records without a folio. The match step writes them, the merge reads them.';
COMMENT ON TABLE pending_folios IS
    'Folios that a merge changed and whose leads are not up to date yet. Kept when the run dies before the lead step.';
COMMENT ON TABLE pending_cases IS
    'Court cases that a merge changed and whose leads are not up to date yet. Kept when the run dies before the lead step.';
COMMENT ON COLUMN staging_parcel_roll.lot_size IS 'Square feet.';
COMMENT ON TABLE court_files IS 'The type of record, and of lead, in each file of a court feed.';
COMMENT ON TABLE court_records IS
    'Every version of every court case by business date of its file, one row for each tenant, defendant or decedent.';
COMMENT ON COLUMN court_records.party_name IS 'Tenant, defendant or decedent. The record''s address is this person''s.';
COMMENT ON COLUMN court_records.counterparty_name IS 'Landlord, plaintiff or petitioner.';
COMMENT ON COLUMN court_records.is_live IS 'Whether the row belongs to the newest version of the case.';
COMMENT ON TABLE task_failures IS
    'Last error of each failed task. The callback that alerts on-call runs in another process and does not get the exception.';

-- ── Leads ──────────────────────────────────────────────────────────────────────────────────────────────────────────

COMMENT ON COLUMN leads.lead_date IS 'Date of the record from which the lead was made.';
COMMENT ON COLUMN leads.business_date IS 'Business date of the run that made the lead.';
COMMENT ON COLUMN leads.announced_at IS 'When the lead''s alerts were written; null for leads of days without alerts.';

-- ── Lookups ────────────────────────────────────────────────────────────────────────────────────────────────────────

COMMENT ON TABLE lookups IS
    'One row for each lookup at the county''s API, whatever the number of callers that wait for it. Redis only wakes a worker.';
COMMENT ON COLUMN lookups.subscriber_id IS 'The subscriber who requested the lookup first and pays for it.';
COMMENT ON COLUMN lookups.asked_on IS 'New York day whose unit budget paid for the last call.';
COMMENT ON COLUMN lookups.units_consumed IS 'Units that the lookup''s calls took from the budget, including calls with an unknown outcome.';
COMMENT ON TABLE api_unit_budget IS 'Units of the county''s paid API used in each New York day.';
COMMENT ON TABLE api_balance_levels IS
    'Unit balances below which on-call is alerted, once for each time the balance falls below the level.';

-- ── Deliveries ─────────────────────────────────────────────────────────────────────────────────────────────────────

COMMENT ON TABLE delivery_kinds IS
    'Each kind of delivery: its queue, price, order within the queue, retry delays (seconds) and the age at which it expires.';
COMMENT ON COLUMN delivery_kinds.is_optional IS
    'Whether a subscriber can unsubscribe from it. Other kinds stop only when the address cannot be used.';
COMMENT ON COLUMN delivery_kinds.is_owed IS 'Whether it is sent free of charge to an account with too few tokens, instead of being skipped.';
COMMENT ON COLUMN delivery_kinds.is_replayable IS 'Whether an operator may replay a dead one. False for kinds that are useless a moment later.';
COMMENT ON TABLE event_meanings IS
    'The delivery state that each provider event stands for; null for none. Of several events the highest rank counts, then '
    'the latest.';
COMMENT ON TABLE deliveries IS 'One row for each message or call. The row decides what is sent; Redis only wakes a worker.';
COMMENT ON COLUMN deliveries.not_before IS 'Time from which a queued row is due. Retries and delays set it.';
COMMENT ON COLUMN deliveries.due_at IS 'Time at which the row was first due. Its age counts from here; retries do not change it.';
COMMENT ON COLUMN deliveries.params IS
    'The actor''s arguments by name, except subscriber and lead. A verification code is stored encrypted under "secret".';
COMMENT ON COLUMN deliveries.replays IS 'How many times an operator replayed the delivery. Each replay counts attempts from zero.';
COMMENT ON COLUMN deliveries.attempts IS
    'Attempts that reached, or may have reached, the provider, or that it refused. A reply 429 does not count.';
COMMENT ON COLUMN deliveries.claim IS 'Id of the claim of the worker that is sending. Only this claim may finish the delivery.';
COMMENT ON COLUMN deliveries.priority IS 'Order within the kind, highest first. A lead alert has the score of its lead.';
COMMENT ON COLUMN deliveries.recipient IS
    'Address to which it was sent. Personal data: emptied after the retention period, like sender, body and params.';
COMMENT ON COLUMN deliveries.body IS 'Text of an SMS as sent, with a verification code masked.';
COMMENT ON COLUMN deliveries.check_at IS
    'When to ask the provider about a call whose end is not known (set when the call starts) or about a parked SMS.';
COMMENT ON COLUMN deliveries.resends IS 'Number of times an e-mail with an unknown outcome was sent again: at most one.';
COMMENT ON INDEX deliveries_whole IS 'Rows that the cleanup has not emptied yet. Emptied rows are kept and are many.';
COMMENT ON INDEX deliveries_accepted IS 'Finds what was completed since the last row of queue_metrics.';
COMMENT ON TABLE delivery_events IS
    'Every event that a provider reported for a delivery, stored once and then applied to the delivery''s state.';
COMMENT ON TABLE mailing_runs IS
    'The newest day for which each mailing was enqueued. A later run enqueues what was due on the days since.';

-- ── Tokens ─────────────────────────────────────────────────────────────────────────────────────────────────────────

COMMENT ON TABLE token_entries IS
    'The token ledger, append only. Balance = grants + adjusts - settled + refunds - open holds.';
COMMENT ON COLUMN token_entries.lookup_id IS 'The lookup of an entry that belongs to no delivery.';
COMMENT ON COLUMN token_entries.hold_number IS 'Numbers the holds of one delivery from 1. Each replay makes a new hold.';
COMMENT ON TABLE low_balance_watch IS
    'Subscribers who will be notified when spending takes their balance below their threshold. A grant that raises the '
    'balance to the threshold adds them.';

-- ── Queues, alerts and cleanup ─────────────────────────────────────────────────────────────────────────────────────

COMMENT ON TABLE lane_breakers IS
    'Queues whose provider refuses everything (wrong key, suspended account). One trial a minute until one succeeds.';
COMMENT ON TABLE call_pace IS 'When the next call may start, counted over all processes (CALLS_PER_SECOND).';
COMMENT ON TABLE lane_status IS 'Heartbeat of each worker process, written every five seconds.';
COMMENT ON COLUMN queue_metrics.completed_count IS
    'Deliveries that a provider accepted and lookups that were answered since the previous row. For admin-alerts, whose '
    'messages have no rows: alerts that an on-call address accepted; repeats within the hour do not count.';
COMMENT ON TABLE oncall_alerts IS 'One row for each cause, so that one cause is one alert.';
COMMENT ON COLUMN oncall_alerts.affects IS
    'DAGs, or dates of a feed, that still have the problem. The alert closes when the last of them has recovered.';
COMMENT ON COLUMN oncall_alerts.last_sent_at IS
    'When an address last accepted the alert. An open alert is sent again while this is null or older than opened_at.';
COMMENT ON COLUMN oncall_alerts.sending_since IS
    'When a process began to send the alert. After two minutes another process may send it.';
COMMENT ON COLUMN oncall_alerts.recovery IS 'Message that the problem is over; null once an address has accepted it.';
COMMENT ON COLUMN failed_jobs.job_key IS
    'Identifies the dead job (a run, an attempt of a delivery or a message), so that each has one row.';
COMMENT ON TABLE cleanup_batches IS
    'Batches of rows past their retention period and the objects that archive them. A batch is finished before the next begins.';
COMMENT ON COLUMN cleanup_batches.row_ids IS 'The rows of an unfinished batch.';
COMMENT ON COLUMN cleanup_batches.removed IS
    'Number of rows removed. A row that changed after it was archived is kept and archived again later.';
COMMENT ON TABLE schema_repeatables IS
    'Checksums of the files of reference/ and repeatable/ as migrations last applied them. A file that differs is applied again.';
COMMENT ON COLUMN schema_repeatables.pending_call IS
    'Statement that must still run after the file was applied, such as recalculating stored values; null once it has run.';

-- Comments on tables, columns and indexes. Comments on functions and views are in the files that create them.

-- ── Subscribers ────────────────────────────────────────────────────────────────────────────────────────────────────

COMMENT ON TABLE users IS 'Subscribers. The app writes these rows. The token ledger also changes token_balance.';
COMMENT ON COLUMN users.token_balance IS
    'The subscriber''s balance in tokens. When the app changes the balance, a trigger writes a grant or adjust entry.';
COMMENT ON COLUMN users.subscription_status IS 'Only active and trialing subscribers receive lead alerts.';
COMMENT ON TABLE subscriber_lead_criteria IS
    'Criteria that select the leads for a subscriber. An empty list of cities means all cities. '
    'A subscriber may have several rows.';
COMMENT ON TABLE lead_types IS
    'Lead types: the name in messages, the reason why the owner may sell, the base score, and whether subscribers get an SMS about a new lead.';
COMMENT ON TABLE call_consents IS
    'Consents to calls: a phone number and the time until which it may be called. '
    'The notifier calls only numbers whose consent is not revoked.';
COMMENT ON TABLE suppressions IS
    'E-mail addresses and phone numbers that must not be contacted, because of a STOP reply, a bounce, a complaint or an unsubscribe.';

-- ── Properties and documents ───────────────────────────────────────────────────────────────────────────────────────

COMMENT ON TABLE document_types IS
    'The Clerk''s document codes and the transaction that each code stands for. An unlisted code counts as other.';
COMMENT ON COLUMN document_types.releases_mortgage IS
    'True if the document ends a mortgage. A partial release or a satisfaction of judgment does not end a mortgage.';
COMMENT ON COLUMN municipalities.has_post_office IS
    'True if postal addresses use the municipality''s own name. Addresses in most other municipalities may name Miami as the city.';
COMMENT ON TABLE properties IS
    'Properties: one row for each folio (parcel), derived from recorded documents, the parcel roll and the county''s API.';
COMMENT ON COLUMN properties.last_updated IS
    'Time of the latest fact from a recorded document or the county''s API. '
    'If this time is less than 30 days ago, a lookup returns the row without a call to the API.';
COMMENT ON COLUMN properties.document_facts IS
    'Names of the facts that came from recorded documents: owner, sale, mortgage, transaction, address. '
    'When a document is deleted, only facts from documents are removed.';
COMMENT ON COLUMN properties.address_key IS 'Normal form of the address (parse_address), written by a trigger.';
COMMENT ON TABLE document_versions IS
    'All versions of recorded documents. A version is the last line about a document in the file for a business date.';
COMMENT ON COLUMN document_versions.matched_folio IS 'Folio that was found by address because the record names no folio.';
COMMENT ON COLUMN document_versions.has_row_keys IS
    'True if the line came from the Clerk''s 42-column file. '
    'In that file a document is live as long as at least one of its party rows is live.';
COMMENT ON COLUMN document_versions.is_live IS 'True if this is the newest version of a document that is not deleted.';
COMMENT ON TABLE party_versions IS
    'All versions of the documents'' parties. Versions follow the same rules as in document_versions.';
COMMENT ON COLUMN party_versions.party_key IS
    'Identifies the party within the document. '
    'The key is the party''s sequence number, or the row key from the 42-column file.';
COMMENT ON TABLE api_documents IS
    'The latest answer from the county''s API for each document. '
    'An answer is valid until a file with a later business date mentions the document.';
COMMENT ON COLUMN api_documents.day IS 'New York day of the API''s answer, for comparison with business dates.';
COMMENT ON TABLE api_parties IS
    'All parties that the API''s answer names for a document. The API''s parties replace all parties from the files.';
COMMENT ON TABLE folios_to_refresh IS
    'Folios that the API reported while a merge was running. '
    'The lookup and the merge did not see each other''s documents, so the leader derives these properties again.';
COMMENT ON TABLE merged_folios IS
    'Folios whose documents a merge has committed and whose properties it has not derived yet. '
    'The table is empty, except while a merge is running, and after a merge that ended early until the next merge.';
COMMENT ON COLUMN merged_folios.ingestion_id IS 'The run that changed the documents. The properties are counted in its row.';
COMMENT ON TABLE street_aliases IS
    'Other names for numbered streets. '
    'Both columns have the normal form that parse_address returns: direction|name|type.';
COMMENT ON COLUMN street_aliases.is_reference IS
    'True if the row came from reference/street_aliases.csv. '
    'Each migration removes these rows when they are no longer in the file. '
    'Rows that were added at run time have the value false, and migrations do not change them.';
COMMENT ON TABLE street_words IS
    'Words in addresses, with their kind and short form. Migrations build the function street_word from this table.';
COMMENT ON TABLE land_uses IS
    'Property types for the land uses in the parcel roll. '
    'Patterns are regular expressions, tried in the order of rank; the first match sets the type.';

-- ── Ingestion ──────────────────────────────────────────────────────────────────────────────────────────────────────

COMMENT ON TABLE data_ingestion_logs IS
    'Runs of the feeds'' DAGs. A row is inserted when a run begins, and updated when the run ends.';
COMMENT ON COLUMN data_ingestion_logs.records_processed IS 'Number of lines staged from all files of the run.';
COMMENT ON TABLE ingestion_files IS 'The archived files that each run has read, with their line counts.';
COMMENT ON TABLE rejected_records IS
    'All lines that could not be staged. A row contains the unchanged line, its line number in the file and the reason.';
COMMENT ON TABLE unmatched_records IS
    'Records without a folio that match either no property or several properties. '
    'For 90 days, each run tries again to match these records.';
COMMENT ON COLUMN unmatched_records.entry IS
    'Number of the party in a court case (see court_records). For recorded documents, the number is always 1.';
COMMENT ON COLUMN unmatched_records.is_released IS
    'True if the record was matched by a decision or an alias that an operator has undone. '
    'The next merge takes the folio from the record, unless the run has found a folio again.';
COMMENT ON TABLE matched_records IS
    'Properties found for records without a folio. The match step writes these rows, and the merge step reads them.';
COMMENT ON COLUMN matched_records.decision_id IS
    'The operator''s decision that gave the folio. If the decision is undone before the merge, the run matches again.';
COMMENT ON TABLE pending_folios IS
    'Folios that a merge changed and whose leads are not up to date yet. '
    'If a run fails before the make_leads step, the rows stay for the next run.';
COMMENT ON TABLE pending_cases IS
    'Court cases that a merge changed and whose leads are not up to date yet. '
    'If a run fails before the make_leads step, the rows stay for the next run.';
COMMENT ON COLUMN staging_parcel_roll.lot_size IS 'Area of the lot in square feet.';
COMMENT ON TABLE court_files IS 'The files of the court feeds, with the record type and the lead type of each file.';
COMMENT ON TABLE court_records IS
    'All versions of court cases, each with the business date of its file. '
    'A version has one row for each tenant, defendant or decedent.';
COMMENT ON COLUMN court_records.party_name IS
    'Name of the tenant, defendant or decedent. The record''s address belongs to this person.';
COMMENT ON COLUMN court_records.counterparty_name IS 'Name of the landlord, plaintiff or petitioner.';
COMMENT ON COLUMN court_records.is_live IS 'True if the row belongs to the newest version of the case.';
COMMENT ON TABLE task_failures IS
    'The last error of each failed task. '
    'The callback that alerts on-call reads the error here, because the callback runs in another process and does not get the exception.';

-- ── Leads ──────────────────────────────────────────────────────────────────────────────────────────────────────────

COMMENT ON COLUMN leads.lead_date IS 'Date of the record that led to the lead.';
COMMENT ON COLUMN leads.business_date IS 'Business date of the run that created the lead.';
COMMENT ON COLUMN leads.reopens_as IS
    'Status that the lead had before a run closed the lead. The lead gets this status again if it should not have been closed. '
    'Null for an open lead and for a lead that a person closed.';
COMMENT ON COLUMN leads.announced_at IS
    'Time at which the lead''s alerts were written. Null if the run that created the lead wrote no alerts.';

-- ── Lookups ────────────────────────────────────────────────────────────────────────────────────────────────────────

COMMENT ON TABLE lookups IS
    'Requests to look up a folio in the county''s API. All callers that wait for the same folio share one row. Workers read the lookups from this table; a message in Redis only wakes a worker.';
COMMENT ON COLUMN lookups.subscriber_id IS 'The subscriber who requested the lookup first and pays for it.';
COMMENT ON COLUMN lookups.asked_on IS 'New York day whose unit budget paid for the lookup''s last call to the API.';
COMMENT ON COLUMN lookups.units_consumed IS
    'Units that the lookup''s calls to the API took from the budget. A call whose outcome is unknown also counts.';
COMMENT ON TABLE subscriber_unit_budget IS
    'Units of the county''s paid API that each subscriber''s lookups used on each New York day.';
COMMENT ON INDEX deliveries_recent_codes IS 'Finds the verification codes that were sent in the last hour. A limit applies to the number of these codes.';
COMMENT ON TABLE api_unit_budget IS 'Units of the county''s paid API that were used on each New York day.';
COMMENT ON TABLE api_balance_levels IS
    'Levels of the API''s unit balance. On-call is alerted once each time the balance falls below a level.';

-- ── Deliveries ─────────────────────────────────────────────────────────────────────────────────────────────────────

COMMENT ON TABLE delivery_kinds IS
    'The kinds of deliveries: queue, price, order within the queue, retry delays (seconds), and the age at which a delivery expires.';
COMMENT ON COLUMN delivery_kinds.is_optional IS
    'True if a subscriber can unsubscribe from this kind of delivery. An unsubscribe from one kind does not stop deliveries of other kinds.';
COMMENT ON COLUMN delivery_kinds.is_owed IS
    'True if a delivery is sent free of charge when the subscriber has too few tokens. '
    'Deliveries of other kinds are then skipped.';
COMMENT ON COLUMN delivery_kinds.is_replayable IS
    'True if an operator may replay a dead delivery of this kind. '
    'False for deliveries that become useless soon after they are due.';
COMMENT ON TABLE event_meanings IS
    'The delivery state that each provider event implies, or null for none. '
    'If a delivery has several events, the event with the highest rank counts. Of events with the same rank, the latest counts.';
COMMENT ON TABLE deliveries IS
    'Deliveries: one row for each e-mail, SMS or call. Workers read the deliveries from this table; a message in Redis only wakes a worker.';
COMMENT ON COLUMN deliveries.not_before IS
    'Time at which a queued delivery becomes due. Retries and deferrals set this time.';
COMMENT ON COLUMN deliveries.is_due IS
    'True if a queued delivery''s time has come (not_before). A trigger and the leader set this mark; workers claim only '
    'deliveries that have it. It has no meaning in other states.';
COMMENT ON COLUMN deliveries.due_at IS
    'Time at which the delivery was first due. The delivery''s age is counted from this time; retries do not change it.';
COMMENT ON COLUMN deliveries.params IS
    'The actor''s arguments by name, except the subscriber and the lead. '
    'A verification code is stored encrypted under "secret".';
COMMENT ON COLUMN deliveries.replays IS
    'Number of times that operators have replayed the delivery. Each replay sets attempts to zero.';
COMMENT ON COLUMN deliveries.attempts IS
    'Number of requests that reached the provider, or may have reached it. '
    'A request that the provider throttled (status 429) does not count.';
COMMENT ON COLUMN deliveries.claim IS
    'Id of the claim under which a worker sends the delivery. Only the holder of this claim may finish the delivery.';
COMMENT ON COLUMN deliveries.priority IS
    'Order among deliveries of the same kind. The delivery with the highest priority is sent first. '
    'The priority of a lead alert is the lead''s score.';
COMMENT ON COLUMN deliveries.recipient IS
    'Address to which the delivery was sent. '
    'This is personal data: cleanup empties this column, sender, body and params after the retention period.';
COMMENT ON COLUMN deliveries.body IS 'Text of the SMS that was sent. A verification code is masked.';
COMMENT ON COLUMN deliveries.check_at IS
    'Time at which to ask the provider about a parked SMS, or about a call whose end was not reported. '
    'For a call, this time is set when the call starts.';
COMMENT ON COLUMN deliveries.resends IS
    'Number of times that an e-mail was sent again because the first outcome was unknown. The number is 0 or 1.';
COMMENT ON INDEX deliveries_whole IS
    'Finds rows that cleanup has not emptied yet. Cleanup keeps the rows that it empties, so most rows in the table are already emptied.';
COMMENT ON INDEX deliveries_accepted IS 'Finds deliveries that were completed since the last row in queue_metrics.';
COMMENT ON TABLE delivery_events IS
    'Events that providers reported about deliveries. '
    'An event is stored once, and then applied to the delivery''s state.';
COMMENT ON TABLE mailing_runs IS
    'The latest day for which each mailing was enqueued. The next run enqueues the mailings for all days since that day.';

-- ── Tokens ─────────────────────────────────────────────────────────────────────────────────────────────────────────

COMMENT ON TABLE token_entries IS
    'The token ledger, which is append-only. Balance = grants + adjusts - settled + refunds - open holds.';
COMMENT ON COLUMN token_entries.lookup_id IS
    'The lookup that the entry pays for. Null if the entry belongs to a delivery.';
COMMENT ON COLUMN token_entries.hold_number IS
    'Number of the hold within its delivery, counted from 1. Each replay creates a new hold.';
COMMENT ON TABLE low_balance_watch IS
    'Subscribers who will get a low_token_balance e-mail when their balance falls below their threshold. '
    'A grant that raises the balance to the threshold adds the subscriber again.';

-- ── Queues, alerts and cleanup ─────────────────────────────────────────────────────────────────────────────────────

COMMENT ON TABLE lane_breakers IS
    'Open breakers: queues whose provider refuses every request (wrong key, suspended account) or asks for a pause (429). '
    'From next_trial_at on, workers try one delivery in each trial_interval until a trial succeeds.';
COMMENT ON TABLE kind_breakers IS
    'Open breakers for delivery kinds: the provider refuses every delivery of the kind, such as an e-mail without a template. '
    'Workers still send the other kinds of the queue.';
COMMENT ON TABLE ledger_backlog IS
    'Entries of the token ledger that a worker could not write because another session had locked the subscriber. '
    'The leader writes these entries when the lock is released.';
COMMENT ON TABLE call_pace IS
    'Time at which the next call may start. '
    'All processes use this row, so that together they start at most CALLS_PER_SECOND.';
COMMENT ON TABLE lane_status IS 'Heartbeats of the worker processes. A process writes its rows every five seconds.';
COMMENT ON COLUMN queue_metrics.completed_count IS
    'Number of deliveries accepted by a provider plus the number of lookups answered since the previous row. '
    'For the queue admin-alerts, the number of alerts that an on-call address accepted, not counting repeated alerts within an hour.';
COMMENT ON COLUMN queue_metrics.wait_p50_seconds IS
    'Median time that attempts and lookups waited from when they were due to their start, of those since the previous row. '
    'Null if there were none.';
COMMENT ON COLUMN queue_metrics.wait_p95_seconds IS
    'Wait that 95 % of these attempts and lookups did not exceed. Null if there were none.';
COMMENT ON TABLE oncall_alerts IS
    'Alerts to on-call. Each cause has one row, so repeated reports of the same cause count as one alert.';
COMMENT ON COLUMN oncall_alerts.affects IS
    'DAGs, or dates of a feed, that still have the problem. The alert closes when the last DAG or date has recovered.';
COMMENT ON COLUMN oncall_alerts.last_sent_at IS
    'Time at which an on-call address last accepted the alert. '
    'While this is null or older than opened_at, an open alert is sent again.';
COMMENT ON COLUMN oncall_alerts.sending_since IS
    'Time at which a process began to send the alert. Two minutes after this time, another process may send the alert.';
COMMENT ON COLUMN oncall_alerts.recovery IS
    'Message that says that the problem is over. Null after an on-call address has accepted this message.';
COMMENT ON COLUMN failed_jobs.job_key IS
    'Identifies the dead letter''s job: a run, an attempt at a delivery, or a message. '
    'The key is unique, so each job has one row.';
COMMENT ON TABLE cleanup_batches IS
    'Batches of rows that are past their retention period, with the archived object for each batch. '
    'Cleanup finishes a batch before it begins another batch.';
COMMENT ON COLUMN cleanup_batches.row_ids IS 'Ids of the rows in an unfinished batch.';
COMMENT ON COLUMN cleanup_batches.removed IS
    'Number of rows removed. If a row changed after it was archived, cleanup keeps the row and archives it again later.';
COMMENT ON TABLE schema_repeatables IS
    'Checksums of the files in reference/ and repeatable/ that migrations last applied. '
    'A migration applies a file again when its checksum has changed.';
COMMENT ON COLUMN schema_repeatables.pending_call IS
    'Statement that must still run because the file was applied, such as a recalculation of stored values. '
    'Null after the statement has run.';

-- ── Operators' pages ───────────────────────────────────────────────────────────────────────────────────────────────

COMMENT ON TABLE delivery_attempts IS
    'Every claim of a delivery that has ended, with its outcome. An attempt in progress is in the delivery''s own row.';
COMMENT ON COLUMN delivery_attempts.attempt IS
    'Number of the attempt. A claim that was deferred does not count, so the next claim has the same number. '
    'A replay starts again at 1.';
COMMENT ON COLUMN delivery_attempts.due_at IS
    'Time at which the attempt was due. Null if no worker claimed the delivery.';
COMMENT ON COLUMN delivery_attempts.started_at IS
    'Time of the claim, or of its last renewal. Null if a delivery was deferred without a claim.';
COMMENT ON COLUMN delivery_attempts.outcome IS
    'The delivery''s state after the attempt, or deferred if the attempt does not count. '
    'If the outcome becomes known later, the row is corrected. '
    'After the provider has accepted the delivery, the outcome stays accepted, and delivery_events has what followed.';
COMMENT ON COLUMN delivery_attempts.code IS 'Reason why the attempt did not end as accepted.';
COMMENT ON INDEX delivery_attempts_ended IS 'Finds attempts that ended since the last row in queue_metrics.';
COMMENT ON TABLE delivery_codes IS
    'What the codes in deliveries.error_code mean, as the end of a sentence that begins with "because".';
COMMENT ON TABLE operator_actions IS
    'What operators did, with the reason that they gave. An action on many rows runs in batches in the background.';
COMMENT ON COLUMN operator_actions.object_type IS
    'What object_ids identifies: delivery, dead_letter, unmatched_record, address_decision or subscriber. '
    'For queue, street_alias and dag_run, the names are in parameters.';
COMMENT ON COLUMN operator_actions.rows IS 'Number of rows that the operator chose.';
COMMENT ON COLUMN operator_actions.done IS 'Number of chosen rows that have been worked on.';
COMMENT ON COLUMN operator_actions.changed IS 'Number of rows that the action has changed.';
COMMENT ON COLUMN operator_actions.refusals IS 'Reasons why rows were not changed, each with the number of these rows.';
COMMENT ON COLUMN operator_actions.request_key IS
    'Key of the form that started the action, so that a form that is sent twice starts one action.';
COMMENT ON TABLE lane_pauses IS
    'Queues that an operator has paused. No worker claims deliveries or lookups of a paused queue. '
    'The functions pause_queue and resume_queue write this table.';
COMMENT ON TABLE address_decisions IS
    'Operators'' decisions about addresses that could not be matched: the right folio, or that no folio is right. '
    'A decision applies to every later record with the same address, unit and ZIP code.';
COMMENT ON COLUMN address_decisions.address_key IS
    'The key that decision_key returns: house|direction|name|type, with ..house for a range. '
    'For an address without such a key: raw: and the address in capitals.';
COMMENT ON COLUMN address_decisions.written IS
    'For a record without ZIP code, its address and city in capitals. The decision applies only to records that are '
    'written in the same way.';
COMMENT ON TABLE ingestion_steps IS 'When each step of a run began and ended.';
COMMENT ON TABLE metric_changes IS
    'Changes of the counts that triggers keep, such as the number of due deliveries of a kind. The sum of a metric''s rows '
    'is its value (metric_totals).';

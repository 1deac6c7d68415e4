CREATE EXTENSION IF NOT EXISTS fuzzystrmatch WITH SCHEMA public;

COMMENT ON EXTENSION fuzzystrmatch IS 'determine similarities and distance between strings';

CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;

COMMENT ON EXTENSION pg_trgm IS 'text similarity measurement and index searching based on trigrams';

CREATE TYPE delivery_request AS (
	kind text,
	subscriber_id bigint,
	lead_id bigint,
	dedupe_key text,
	priority integer,
	not_before timestamp with time zone,
	params jsonb,
	tokens integer
);

CREATE TYPE mortgage_event AS (
	recorded_on date,
	cfn_year bigint,
	cfn_seq bigint,
	group_id bigint,
	amount numeric,
	transaction text
);

CREATE TYPE recorded_address AS (
	address text,
	city text,
	zip text
);

CREATE FUNCTION accept_address(record_id bigint, folio text, actor text, reason text) RETURNS bigint
    LANGUAGE plpgsql;

COMMENT ON FUNCTION accept_address(record_id bigint, folio text, actor text, reason text) IS 'Decides that the address of an unmatched record is the property with this folio. Every later run follows the decision, for all records with the same address (see decision_key). Returns the id of the decision.';

CREATE FUNCTION add_street_alias(record_id bigint, street text, actor text, reason text) RETURNS text
    LANGUAGE plpgsql;

COMMENT ON FUNCTION add_street_alias(record_id bigint, street text, actor text, reason text) IS 'Makes the street in the address of an unmatched record an alias of a street of the roll, for all records from then on. Returns the alias. Raises 22023 with the reason of alias_refusal.';

CREATE FUNCTION street_part(address_key text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION street_part(address_key text) IS 'Returns the street in an address key, such as SW|8|ST for 1234|SW|8|ST.';

CREATE TABLE properties (
    id bigint NOT NULL,
    folio_number text NOT NULL,
    address text,
    unit text,
    city text,
    zip text,
    owner_name text,
    last_sale_date date,
    last_sale_price numeric(16,2),
    last_transaction_type text,
    last_document_code text,
    assessed_value numeric(16,2),
    mortgage_balance numeric(16,2),
    property_type text,
    building_sqft integer,
    lot_size_acres numeric(12,4),
    year_built integer,
    bedrooms numeric(5,1),
    bathrooms numeric(5,1),
    has_pool boolean,
    is_waterfront boolean,
    data_source text,
    last_updated timestamp with time zone,
    roll_updated_at timestamp with time zone,
    document_facts text[] DEFAULT '{}'::text[] NOT NULL,
    address_key text,
    unit_key text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT properties_folio_is_real CHECK ((ltrim(folio_number, '0'::text) <> ''::text))
)
WITH (fillfactor='80');

COMMENT ON TABLE properties IS 'Properties: one row for each folio (parcel), derived from recorded documents, the parcel roll and the county''s API.';

COMMENT ON COLUMN properties.last_updated IS 'Time of the latest fact from a recorded document or the county''s API. If this time is less than 30 days ago, a lookup returns the row without a call to the API.';

COMMENT ON COLUMN properties.document_facts IS 'Names of the facts that came from recorded documents: owner, sale, mortgage, transaction, address. When a document is deleted, only facts from documents are removed.';

COMMENT ON COLUMN properties.address_key IS 'Normal form of the address (parse_address), written by a trigger.';

CREATE TABLE street_aliases (
    alias text NOT NULL,
    street text NOT NULL,
    is_reference boolean DEFAULT false NOT NULL
);

COMMENT ON TABLE street_aliases IS 'Other names for numbered streets. Both columns have the normal form that parse_address returns: direction|name|type.';

COMMENT ON COLUMN street_aliases.is_reference IS 'True if the row came from reference/street_aliases.csv. Each migration removes these rows when they are no longer in the file. Rows that were added at run time have the value false, and migrations do not change them.';

CREATE FUNCTION alias_refusal(written text, street text) RETURNS text
    LANGUAGE sql STABLE;

COMMENT ON FUNCTION alias_refusal(written text, street text) IS 'Returns why a written street must not become an alias of a street of the roll, or null if it may. Both streets have the form direction|name|type.';

CREATE TABLE document_versions (
    cfn_year bigint NOT NULL,
    cfn_seq bigint NOT NULL,
    group_id bigint NOT NULL,
    business_date date NOT NULL,
    line_number integer NOT NULL,
    document_code text NOT NULL,
    case_number text,
    recorded_on date,
    folio_number text,
    matched_folio text,
    folio text GENERATED ALWAYS AS (COALESCE(folio_number, matched_folio)) STORED,
    property_address text,
    property_city text,
    property_zip text,
    consideration_1 numeric(16,2),
    deed_doc_tax numeric(16,2),
    original_cfn_year bigint,
    original_cfn_seq bigint,
    has_row_keys boolean DEFAULT false NOT NULL,
    transaction_type text NOT NULL,
    is_live boolean NOT NULL,
    CONSTRAINT document_versions_transaction_type_check CHECK ((transaction_type = ANY (ARRAY['I'::text, 'U'::text, 'D'::text])))
);

COMMENT ON TABLE document_versions IS 'All versions of recorded documents. A version is the last line about a document in the file for a business date.';

COMMENT ON COLUMN document_versions.matched_folio IS 'Folio that was found by address because the record names no folio.';

COMMENT ON COLUMN document_versions.has_row_keys IS 'True if the line came from the Clerk''s 42-column file. In that file a document is live as long as at least one of its party rows is live.';

COMMENT ON COLUMN document_versions.is_live IS 'True if this is the newest version of a document that is not deleted.';

CREATE TABLE party_versions (
    cfn_year bigint NOT NULL,
    cfn_seq bigint NOT NULL,
    group_id bigint NOT NULL,
    party_key bigint NOT NULL,
    business_date date NOT NULL,
    line_number integer NOT NULL,
    party_sequence bigint NOT NULL,
    party_code text,
    party_name text,
    transaction_type text NOT NULL,
    is_live boolean NOT NULL,
    CONSTRAINT party_versions_transaction_type_check CHECK ((transaction_type = ANY (ARRAY['I'::text, 'U'::text, 'D'::text])))
);

COMMENT ON TABLE party_versions IS 'All versions of the documents'' parties. Versions follow the same rules as in document_versions.';

COMMENT ON COLUMN party_versions.party_key IS 'Identifies the party within the document. The key is the party''s sequence number, or the row key from the 42-column file.';

CREATE FUNCTION api_rules(cfn_year bigint, cfn_seq bigint, group_id bigint, day date) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE;

COMMENT ON FUNCTION api_rules(cfn_year bigint, cfn_seq bigint, group_id bigint, day date) IS 'Returns whether the API''s answer from the given day is newer than all files that mention the document. The county publishes a day''s file before that day begins.';

CREATE FUNCTION attempt_outcome(state text, is_counted boolean) RETURNS text
    LANGUAGE sql IMMUTABLE;

COMMENT ON FUNCTION attempt_outcome(state text, is_counted boolean) IS 'Returns the outcome of an attempt after which the delivery has the given state. What the provider reports after it has accepted a delivery is in delivery_events and does not change the outcome.';

CREATE FUNCTION balance_before(subscriber bigint, moment timestamp with time zone) RETURNS bigint
    LANGUAGE sql STABLE;

COMMENT ON FUNCTION balance_before(subscriber bigint, moment timestamp with time zone) IS 'Returns a subscriber''s balance at a time, from the entries that came later.';

CREATE FUNCTION lead_base_score(lead_type text) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION lead_base_score(lead_type text) IS 'Returns the base score of a lead type from the table lead_types, or 0 for an unknown type.';

CREATE FUNCTION new_york_day(moment timestamp with time zone) RETURNS date
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;

CREATE FUNCTION calculate_lead_score(lead_type text, lead_date date, estimated_equity numeric, engagement_count integer) RETURNS integer
    LANGUAGE sql STABLE PARALLEL SAFE;

COMMENT ON FUNCTION calculate_lead_score(lead_type text, lead_date date, estimated_equity numeric, engagement_count integer) IS 'Returns a lead''s score, from 0 to 100: the base score of the type, multiplied by the freshness (which depends on the age in New York days), plus points for equity and engagement.';

CREATE FUNCTION call_tokens(seconds integer) RETURNS integer
    LANGUAGE sql IMMUTABLE;

COMMENT ON FUNCTION call_tokens(seconds integer) IS 'Returns the price of a call, which is 20 tokens for up to three minutes, and 5 for each further minute or part of a minute.';

CREATE FUNCTION cancel_deliveries(delivery_ids bigint[], why text) RETURNS bigint
    LANGUAGE plpgsql;

CREATE FUNCTION cancel_queued_deliveries(delivery_ids bigint[], why text) RETURNS TABLE(id bigint, refusal text)
    LANGUAGE plpgsql;

COMMENT ON FUNCTION cancel_queued_deliveries(delivery_ids bigint[], why text) IS 'Cancels queued deliveries and releases their token holds. Returns for each delivery the reason why it was not cancelled, or null.';

CREATE FUNCTION check_pause(queue text, actor text, reason text) RETURNS void
    LANGUAGE plpgsql;

COMMENT ON FUNCTION check_pause(queue text, actor text, reason text) IS 'Raises invalid_parameter_value if the queue does not exist or cannot be paused, or if the actor or reason is blank.';

CREATE TABLE oncall_alerts (
    id bigint NOT NULL,
    fingerprint text NOT NULL,
    severity text,
    subject text,
    message text,
    affects text[] DEFAULT '{}'::text[] NOT NULL,
    opened_at timestamp with time zone DEFAULT now() NOT NULL,
    last_sent_at timestamp with time zone,
    sending_since timestamp with time zone,
    count integer DEFAULT 1 NOT NULL,
    closed_at timestamp with time zone,
    recovery text
);

COMMENT ON TABLE oncall_alerts IS 'Alerts to on-call. Each cause has one row, so repeated reports of the same cause count as one alert.';

COMMENT ON COLUMN oncall_alerts.affects IS 'DAGs, or dates of a feed, that still have the problem. The alert closes when the last DAG or date has recovered.';

COMMENT ON COLUMN oncall_alerts.last_sent_at IS 'Time at which an on-call address last accepted the alert. While this is null or older than opened_at, an open alert is sent again.';

COMMENT ON COLUMN oncall_alerts.sending_since IS 'Time at which a process began to send the alert. Two minutes after this time, another process may send the alert.';

COMMENT ON COLUMN oncall_alerts.recovery IS 'Message that says that the problem is over. Null after an on-call address has accepted this message.';

CREATE FUNCTION claim_untold_alerts() RETURNS SETOF oncall_alerts
    LANGUAGE sql;

COMMENT ON FUNCTION claim_untold_alerts() IS 'Claims the alerts and recovery messages that no on-call address has accepted yet; the caller must send them.';

CREATE FUNCTION close_alerts(closing_fingerprint text, recovered text, told text) RETURNS integer
    LANGUAGE sql;

COMMENT ON FUNCTION close_alerts(closing_fingerprint text, recovered text, told text) IS 'Closes the alert for a cause, and alerts whose last affected DAG or feed has recovered. Returns the number of closed alerts.';

CREATE FUNCTION common_address_key(address text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION common_address_key(address text) IS 'Returns the key of an address in the most common form, and null for other forms. This is ten times as fast as parse_address.';

CREATE TABLE operator_actions (
    id bigint NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    object_type text NOT NULL,
    object_ids bigint[] DEFAULT '{}'::bigint[] NOT NULL,
    rows bigint DEFAULT 0 NOT NULL,
    reason text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    parameters jsonb DEFAULT '{}'::jsonb NOT NULL,
    state text DEFAULT 'done'::text NOT NULL,
    done bigint DEFAULT 0 NOT NULL,
    changed bigint DEFAULT 0 NOT NULL,
    refusals jsonb DEFAULT '{}'::jsonb NOT NULL,
    request_key text,
    stopped_by text,
    finished_at timestamp with time zone,
    CONSTRAINT operator_actions_state_check CHECK ((state = ANY (ARRAY['running'::text, 'done'::text, 'stopped'::text])))
);

COMMENT ON TABLE operator_actions IS 'What operators did, with the reason that they gave. An action on many rows runs in batches in the background.';

COMMENT ON COLUMN operator_actions.object_type IS 'What object_ids identifies: delivery, dead_letter, unmatched_record, address_decision or subscriber. For queue, street_alias and dag_run, the names are in parameters.';

COMMENT ON COLUMN operator_actions.rows IS 'Number of rows that the operator chose.';

COMMENT ON COLUMN operator_actions.done IS 'Number of chosen rows that have been worked on.';

COMMENT ON COLUMN operator_actions.changed IS 'Number of rows that the action has changed.';

COMMENT ON COLUMN operator_actions.refusals IS 'Reasons why rows were not changed, each with the number of these rows.';

COMMENT ON COLUMN operator_actions.request_key IS 'Key of the form that started the action, so that a form that is sent twice starts one action.';

CREATE FUNCTION continue_operator_action(action_id bigint, batch integer, scale double precision DEFAULT 1) RETURNS operator_actions
    LANGUAGE plpgsql;

COMMENT ON FUNCTION continue_operator_action(action_id bigint, batch integer, scale double precision) IS 'Works on the next rows of a running action, in the caller''s transaction, and returns the action''s row. Does nothing if the action has ended or another process is working on it.';

CREATE FUNCTION correct_attempt() RETURNS trigger
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off';

COMMENT ON FUNCTION correct_attempt() IS 'Corrects the outcome of a delivery''s last attempt when the outcome becomes known later. If several attempts could have been accepted, the last attempt whose outcome was unknown counts as accepted.';

CREATE FUNCTION count_callbacks() RETURNS trigger
    LANGUAGE plpgsql;

COMMENT ON FUNCTION count_callbacks() IS 'Counts the time from each provider''s event to its callback, as a histogram.';

CREATE FUNCTION count_dead_letters() RETURNS trigger
    LANGUAGE plpgsql;

COMMENT ON FUNCTION count_dead_letters() IS 'Counts the open dead letters by queue.';

CREATE FUNCTION count_deliveries() RETURNS trigger
    LANGUAGE plpgsql
    SET enable_nestloop TO 'off';

COMMENT ON FUNCTION count_deliveries() IS 'Counts the open deliveries by kind and state, and how many deliveries have entered each state.';

CREATE FUNCTION count_lookup() RETURNS trigger
    LANGUAGE plpgsql;

COMMENT ON FUNCTION count_lookup() IS 'Counts the time from a lookup to its end, as a histogram for each final state.';

CREATE FUNCTION count_open_holds() RETURNS trigger
    LANGUAGE plpgsql;

COMMENT ON FUNCTION count_open_holds() IS 'Counts the token holds that are neither settled nor released.';

CREATE FUNCTION dead_letter_cause(job_data jsonb, message text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION dead_letter_cause(job_data jsonb, message text) IS 'Returns the cause by which dead letters are grouped: the error code, or else the start of the message with # for every number.';

CREATE FUNCTION decide_address(record_id bigint, wanted_decision text, folio text, actor text, reason text) RETURNS bigint
    LANGUAGE plpgsql;

COMMENT ON FUNCTION decide_address(record_id bigint, wanted_decision text, folio text, actor text, reason text) IS 'Keeps a decision about the address of an unmatched record. Returns its id.';

CREATE FUNCTION plain_upper(words text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION plain_upper(words text) IS 'Returns the text in capitals without accents, independent of the database''s locale.';

CREATE FUNCTION decision_address(address text, address_key text, range_key text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION decision_address(address text, address_key text, range_key text) IS 'Returns the address_key of a decision, from the address and from what parse_address returns for it. Without an address key, returns the address in capitals without punctuation, after "raw:". Returns null for an address without letters and digits, or with more than 300 characters.';

CREATE FUNCTION parse_address(address text, unit text, OUT address_key text, OUT unit_key text, OUT range_key text) RETURNS record
    LANGUAGE plpgsql STABLE PARALLEL SAFE;

COMMENT ON FUNCTION parse_address(address text, unit text, OUT address_key text, OUT unit_key text, OUT range_key text) IS 'Returns the key of an address (house|direction|name|type) and the normal form of its unit. range_key is the key of the last house in a range such as 7538-40. All are null for an address with more than 300 characters.';

CREATE FUNCTION unit_key(unit text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION unit_key(unit text) IS 'Returns the normal form of a unit, such as 6-2 for "APT #06-2" and for "unit 6-2". Returns null for a unit with more than 100 characters.';

CREATE FUNCTION decision_key(address text, unit text, city text, postal_code text, OUT address_key text, OUT unit_key text, OUT zip text, OUT written text) RETURNS record
    LANGUAGE sql STABLE PARALLEL SAFE;

COMMENT ON FUNCTION decision_key(address text, unit text, city text, postal_code text, OUT address_key text, OUT unit_key text, OUT zip text, OUT written text) IS 'Returns the key under which a decision about an address is kept. Two records with the same key are the same address. The column written is filled only for a record without ZIP code: such a record must be written the same way. address_key is null if no decision can be kept.';

CREATE FUNCTION defer_deliveries(delivery_ids bigint[], until timestamp with time zone, why text, scale double precision) RETURNS TABLE(id bigint, refusal text)
    LANGUAGE sql;

COMMENT ON FUNCTION defer_deliveries(delivery_ids bigint[], until timestamp with time zone, why text, scale double precision) IS 'Makes queued deliveries due at a later time. Returns for each delivery the reason why it was not changed, or null.';

CREATE FUNCTION delivery_code_meaning(code text, message text) RETURNS text
    LANGUAGE sql STABLE;

COMMENT ON FUNCTION delivery_code_meaning(code text, message text) IS 'Returns what an error code means, as the end of a sentence. For an unknown code, returns the stored message.';

CREATE FUNCTION delivery_key(template text, subscriber bigint) RETURNS text
    LANGUAGE sql STABLE;

COMMENT ON FUNCTION delivery_key(template text, subscriber bigint) IS 'Returns the dedupe key that a key template describes. The templates for trial reminders (trial:{days}) and low balances (low) are filled with values from the database. Any other template is already the key and is returned unchanged.';

CREATE FUNCTION dismiss_dead_letters(job_ids bigint[]) RETURNS TABLE(id bigint, refusal text)
    LANGUAGE sql;

COMMENT ON FUNCTION dismiss_dead_letters(job_ids bigint[]) IS 'Closes open dead letters without another attempt. Returns for each dead letter the reason why it was not closed, or null.';

CREATE FUNCTION e164(phone text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION e164(phone text) IS 'Returns a phone number in E.164, or null if the text cannot be read as one phone number. The notifier''s Python function e164 accepts the same strings, and also checks the number''s length in its country.';

CREATE FUNCTION enqueue_deliveries(requests jsonb, timeout integer DEFAULT NULL::integer) RETURNS TABLE(delivery_id bigint, state text, opened boolean)
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off';

COMMENT ON FUNCTION enqueue_deliveries(requests jsonb, timeout integer) IS 'Enqueues the requested deliveries, and returns the new or existing delivery for each request, in the same order. Fills in the dedupe keys and priorities that depend on stored rows. Waits for locked subscribers no longer than the timeout (ms).';

CREATE TABLE deliveries (
    id bigint NOT NULL,
    channel text NOT NULL,
    kind text NOT NULL,
    subscriber_id bigint,
    lead_id bigint,
    dedupe_key text NOT NULL,
    state text DEFAULT 'queued'::text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    not_before timestamp with time zone DEFAULT now() NOT NULL,
    due_at timestamp with time zone DEFAULT now() NOT NULL,
    provider_id text,
    error_code text,
    error_message text,
    params jsonb DEFAULT '{}'::jsonb NOT NULL,
    tokens integer DEFAULT 0 NOT NULL,
    priority integer DEFAULT 0 NOT NULL,
    recipient text,
    sender text,
    body text,
    claim uuid,
    claimed_at timestamp with time zone,
    accepted_at timestamp with time zone,
    check_at timestamp with time zone,
    resends integer DEFAULT 0 NOT NULL,
    replays integer DEFAULT 0 NOT NULL,
    emptied_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    is_due boolean DEFAULT true NOT NULL,
    CONSTRAINT deliveries_state_check CHECK ((state = ANY (ARRAY['queued'::text, 'sending'::text, 'accepted'::text, 'sent'::text, 'delivered'::text, 'undelivered'::text, 'failed'::text, 'unknown'::text, 'parked'::text, 'dead'::text, 'skipped'::text, 'suppressed'::text, 'expired'::text, 'cancelled'::text])))
);

COMMENT ON TABLE deliveries IS 'Deliveries: one row for each e-mail, SMS or call. Workers read the deliveries from this table; a message in Redis only wakes a worker.';

COMMENT ON COLUMN deliveries.attempts IS 'Number of requests that reached the provider, or may have reached it. A request that the provider throttled (status 429) does not count.';

COMMENT ON COLUMN deliveries.not_before IS 'Time at which a queued delivery becomes due. Retries and deferrals set this time.';

COMMENT ON COLUMN deliveries.due_at IS 'Time at which the delivery was first due. The delivery''s age is counted from this time; retries do not change it.';

COMMENT ON COLUMN deliveries.params IS 'The actor''s arguments by name, except the subscriber and the lead. A verification code is stored encrypted under "secret".';

COMMENT ON COLUMN deliveries.priority IS 'Order among deliveries of the same kind. The delivery with the highest priority is sent first. The priority of a lead alert is the lead''s score.';

COMMENT ON COLUMN deliveries.recipient IS 'Address to which the delivery was sent. This is personal data: cleanup empties this column, sender, body and params after the retention period.';

COMMENT ON COLUMN deliveries.body IS 'Text of the SMS that was sent. A verification code is masked.';

COMMENT ON COLUMN deliveries.claim IS 'Id of the claim under which a worker sends the delivery. Only the holder of this claim may finish the delivery.';

COMMENT ON COLUMN deliveries.check_at IS 'Time at which to ask the provider about a parked SMS, or about a call whose end was not reported. For a call, this time is set when the call starts.';

COMMENT ON COLUMN deliveries.resends IS 'Number of times that an e-mail was sent again because the first outcome was unknown. The number is 0 or 1.';

COMMENT ON COLUMN deliveries.replays IS 'Number of times that operators have replayed the delivery. Each replay sets attempts to zero.';

COMMENT ON COLUMN deliveries.is_due IS 'True if a queued delivery''s time has come (not_before). A trigger and the leader set this mark; workers claim only deliveries that have it. It has no meaning in other states.';

CREATE FUNCTION explain_accepted(d deliveries) RETURNS text
    LANGUAGE sql STABLE;

COMMENT ON FUNCTION explain_accepted(d deliveries) IS 'Returns what a provider has reported about a delivery that it accepted.';

CREATE FUNCTION explain_delivery(id bigint) RETURNS text
    LANGUAGE sql STABLE;

COMMENT ON FUNCTION explain_delivery(id bigint) IS 'Returns why a delivery is where it is and what happens next, with times in New York; null for an unknown id.';

CREATE FUNCTION explain_end(d deliveries) RETURNS text
    LANGUAGE sql STABLE;

COMMENT ON FUNCTION explain_end(d deliveries) IS 'Returns why a delivery was not sent.';

CREATE FUNCTION explain_queued(d deliveries) RETURNS text
    LANGUAGE sql STABLE;

COMMENT ON FUNCTION explain_queued(d deliveries) IS 'Returns why a queued delivery waits, and when it is due and expires.';

CREATE FUNCTION explain_unknown(d deliveries) RETURNS text
    LANGUAGE sql STABLE;

COMMENT ON FUNCTION explain_unknown(d deliveries) IS 'Returns why nobody knows the outcome of a delivery, and what the notifier does next.';

CREATE FUNCTION fold_metric_changes() RETURNS bigint
    LANGUAGE sql;

COMMENT ON FUNCTION fold_metric_changes() IS 'Replaces the rows of each metric by one row with their sum. Returns by how many rows the table has become smaller.';

CREATE FUNCTION folios_of_house(house text) RETURNS TABLE(folio_number text, address_key text, zip text)
    LANGUAGE plpgsql STABLE;

COMMENT ON FUNCTION folios_of_house(house text) IS 'Returns the properties with a house number, on any street.';

CREATE FUNCTION histogram_bound(seconds double precision) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION histogram_bound(seconds double precision) IS 'Returns the upper bound of the histogram bucket that a number of seconds belongs to, as Prometheus writes it. A bucket does not contain its upper bound.';

CREATE FUNCTION hold_tokens(delivery_ids bigint[]) RETURNS bigint[]
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off';

COMMENT ON FUNCTION hold_tokens(delivery_ids bigint[]) IS 'Takes each delivery''s price from the subscriber''s balance as a token hold, highest priority first. Returns the ids of the deliveries whose tokens are held.';

CREATE FUNCTION is_misspelling(written text, meant text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION is_misspelling(written text, meant text) IS 'Returns whether a street name differs from another by one typing error, or by two if the name is long. Both names must have no blanks. Returns false for a name with more than 255 letters, which levenshtein refuses.';

CREATE FUNCTION is_near_street(written text, street text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION is_near_street(written text, street text) IS 'Returns whether a record that names one street may mean the other: the same name, a similar name or the same beginning.';

CREATE FUNCTION is_person(name text) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION is_person(name text) IS 'Returns whether a name is a person''s name. Returns false for companies, banks, trustees, associations, governments, estates and unknown persons, and for doubtful names.';

CREATE FUNCTION last_house(first text, last text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION last_house(first text, last text) IS 'Returns the last house number of a range on one side of a street, such as 7540 for 7538 and 40. Returns null when the second number is a unit.';

CREATE FUNCTION leads_keep_decision() RETURNS trigger
    LANGUAGE plpgsql;

COMMENT ON FUNCTION leads_keep_decision() IS 'Sets reopens_as to null when a person changes the status, so that no run reopens the lead. A run that changes the status also changes reopens_as, so the trigger does not fire.';

CREATE FUNCTION link_early_events() RETURNS trigger
    LANGUAGE plpgsql;

COMMENT ON FUNCTION link_early_events() IS 'Links events to the delivery that has just stored their provider id. The notifier applies them within a second.';

CREATE TABLE unmatched_records (
    id bigint NOT NULL,
    feed text NOT NULL,
    business_date date NOT NULL,
    source_reference text NOT NULL,
    address text,
    reason text,
    candidates jsonb DEFAULT '[]'::jsonb NOT NULL,
    unit text,
    city text,
    zip text,
    record_type text DEFAULT 'document'::text NOT NULL,
    entry integer DEFAULT 1 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    is_released boolean DEFAULT false NOT NULL
);

COMMENT ON TABLE unmatched_records IS 'Records without a folio that match either no property or several properties. For 90 days, each run tries again to match these records.';

COMMENT ON COLUMN unmatched_records.entry IS 'Number of the party in a court case (see court_records). For recorded documents, the number is always 1.';

COMMENT ON COLUMN unmatched_records.is_released IS 'True if the record was matched by a decision or an alias that an operator has undone. The next merge takes the folio from the record, unless the run has found a folio again.';

CREATE FUNCTION locked_unmatched_record(record_id bigint) RETURNS unmatched_records
    LANGUAGE plpgsql;

COMMENT ON FUNCTION locked_unmatched_record(record_id bigint) IS 'Returns and locks an unmatched record. Raises P0002 if it does not exist.';

CREATE FUNCTION low_balance_threshold(preferences jsonb) RETURNS numeric
    LANGUAGE sql IMMUTABLE;

CREATE TABLE address_decisions (
    id bigint NOT NULL,
    address_key text NOT NULL,
    unit_key text,
    zip text,
    written text,
    address text,
    unit text,
    city text,
    decision text NOT NULL,
    folio_number text,
    decided_by text NOT NULL,
    decided_at timestamp with time zone DEFAULT now() NOT NULL,
    reason text,
    CONSTRAINT address_decisions_check CHECK (((decision = 'accepted'::text) = (folio_number IS NOT NULL))),
    CONSTRAINT address_decisions_check1 CHECK (((zip IS NULL) OR (written IS NULL))),
    CONSTRAINT address_decisions_decision_check CHECK ((decision = ANY (ARRAY['accepted'::text, 'rejected'::text])))
);

COMMENT ON TABLE address_decisions IS 'Operators'' decisions about addresses that could not be matched: the right folio, or that no folio is right. A decision applies to every later record with the same address, unit and ZIP code.';

COMMENT ON COLUMN address_decisions.address_key IS 'The key that decision_key returns: house|direction|name|type, with ..house for a range. For an address without such a key: raw: and the address in capitals.';

COMMENT ON COLUMN address_decisions.written IS 'For a record without ZIP code, its address and city in capitals. The decision applies only to records that are written in the same way.';

CREATE FUNCTION mark_decided_records(decided address_decisions, wanted_reason text) RETURNS bigint
    LANGUAGE sql;

COMMENT ON FUNCTION mark_decided_records(decided address_decisions, wanted_reason text) IS 'Sets the reason of the unmatched records to which a decision applies. Returns the number of these records.';

CREATE FUNCTION mark_due_deliveries(at_most integer) RETURNS bigint
    LANGUAGE sql;

COMMENT ON FUNCTION mark_due_deliveries(at_most integer) IS 'Marks deliveries whose time has come as due, at most the given number of each kind. Returns how many were marked.';

CREATE FUNCTION matched_addresses(folios text[]) RETURNS TABLE(feed text, business_date date, source_reference text, record_type text, entry integer, address text, city text, zip text, folio text)
    LANGUAGE sql STABLE;

COMMENT ON FUNCTION matched_addresses(folios text[]) IS 'Returns the records without a folio of their own that were matched to the folios by address.';

CREATE FUNCTION name_key(name text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION name_key(name text) IS 'Returns a key that is equal for two spellings of a name: word order, initials, accents and punctuation do not count.';

CREATE FUNCTION near_folios(address_key text, zip text) RETURNS SETOF text
    LANGUAGE sql STABLE;

COMMENT ON FUNCTION near_folios(address_key text, zip text) IS 'Returns at most 20 folios whose addresses resemble the address: near numbers on the street, and the same number on streets with a similar name; those in the ZIP code first.';

CREATE FUNCTION note_review_action(actor text, action text, object_type text, object_id bigint, changed bigint, reason text, parameters jsonb) RETURNS void
    LANGUAGE plpgsql;

COMMENT ON FUNCTION note_review_action(actor text, action text, object_type text, object_id bigint, changed bigint, reason text, parameters jsonb) IS 'Writes the row of operator_actions for an action on unmatched addresses. Raises 22023 without an actor or a reason.';

CREATE FUNCTION one_line(words text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION one_line(words text) IS 'Returns a text from outside on one line and with at most 200 characters, or null if it is blank.';

CREATE FUNCTION open_deliveries(requests delivery_request[]) RETURNS TABLE(dedupe_key text, delivery_id bigint, state text, opened boolean)
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off';

COMMENT ON FUNCTION open_deliveries(requests delivery_request[]) IS 'Creates deliveries and holds their tokens. If a delivery with the dedupe key exists, returns that delivery. If the subscriber has too few tokens, the new delivery is skipped.';

CREATE FUNCTION open_state(state text, is_due boolean) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION open_state(state text, is_due boolean) IS 'Returns under which name an open delivery is counted: due, later, sending, unknown or parked. Null for a finished one.';

CREATE FUNCTION parties_on(cfn_year bigint, cfn_seq bigint, group_id bigint, day date) RETURNS SETOF party_versions
    LANGUAGE sql STABLE PARALLEL SAFE;

COMMENT ON FUNCTION parties_on(cfn_year bigint, cfn_seq bigint, group_id bigint, day date) IS 'Returns a document''s parties according to the files up to the given business date.';

CREATE FUNCTION pause_queue(queue text, actor text, reason text) RETURNS boolean
    LANGUAGE plpgsql;

COMMENT ON FUNCTION pause_queue(queue text, actor text, reason text) IS 'Pauses a queue, so that no worker claims its deliveries or lookups, and records the action in operator_actions. Returns false and changes nothing if the queue is already paused.';

CREATE FUNCTION phone_key(phone text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION phone_key(phone text) IS 'Returns the last ten digits of a phone number. Only the previous release uses this function.';

CREATE FUNCTION plain_address(address text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION plain_address(address text) IS 'Returns the address in capitals, with one blank between words and without city, state and ZIP. This is the input of parse_address. Returns null for an address with more than 300 characters.';

CREATE FUNCTION plain_preferences(preferences jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION plain_preferences(preferences jsonb) IS 'Returns email_preferences with the strings "true" and "false" converted to booleans. A value that is not an object becomes {}.';

CREATE FUNCTION properties_make_address_key() RETURNS trigger
    LANGUAGE plpgsql;

CREATE FUNCTION property_facts(folios text[]) RETURNS TABLE(folio text, newest_fact timestamp with time zone, owner_name text, sale_date date, sale_price numeric, document_code text, transaction text, address text, city text, zip text, mortgage_known boolean, mortgage_balance numeric, facts text[])
    LANGUAGE sql STABLE PARALLEL SAFE;

COMMENT ON FUNCTION property_facts(folios text[]) IS 'Returns the facts that each folio''s live documents state about the property.';

CREATE TABLE land_uses (
    rank integer NOT NULL,
    pattern text NOT NULL,
    property_type text NOT NULL
);

COMMENT ON TABLE land_uses IS 'Property types for the land uses in the parcel roll. Patterns are regular expressions, tried in the order of rank; the first match sets the type.';

CREATE FUNCTION property_type(land_use text) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE;

CREATE FUNCTION record_attempts() RETURNS trigger
    LANGUAGE plpgsql
    SET enable_nestloop TO 'off';

COMMENT ON FUNCTION record_attempts() IS 'Records each attempt that has just ended, and counts how long it waited and took. An inbound call that the web service answered counts as an attempt that nobody claimed.';

CREATE FUNCTION record_pause_action(action text, queue text, actor text, reason text) RETURNS void
    LANGUAGE sql;

CREATE PROCEDURE recount_metrics()
    LANGUAGE plpgsql;

COMMENT ON PROCEDURE recount_metrics() IS 'Counts the open deliveries, dead letters and token holds again. Statements that change them wait meanwhile.';

CREATE PROCEDURE refresh_address_decisions()
    LANGUAGE sql;

COMMENT ON PROCEDURE refresh_address_decisions() IS 'Recalculates the stored keys of all decisions. If two decisions get the same key, only the newer one is kept.';

CREATE PROCEDURE refresh_address_keys(IN batch_size integer DEFAULT 20000)
    LANGUAGE plpgsql;

COMMENT ON PROCEDURE refresh_address_keys(IN batch_size integer) IS 'Recalculates the stored address keys of all properties, writes the keys that changed, and commits after each batch of rows.';

CREATE FUNCTION refresh_after_merge() RETURNS bigint
    LANGUAGE plpgsql;

COMMENT ON FUNCTION refresh_after_merge() IS 'Derives properties again if the API reported them during a merge. Returns the number of these properties, and 0 while a merge is running.';

CREATE PROCEDURE refresh_dead_letter_causes()
    LANGUAGE sql;

COMMENT ON PROCEDURE refresh_dead_letter_causes() IS 'Writes the causes of all dead letters again, after the function that names them changed.';

CREATE PROCEDURE refresh_is_due(IN batch_size integer DEFAULT 20000)
    LANGUAGE plpgsql;

COMMENT ON PROCEDURE refresh_is_due(IN batch_size integer) IS 'Corrects the mark of queued deliveries that are due later, and commits after each batch of rows. The leader corrects the mark of those that are due.';

CREATE FUNCTION refresh_properties(folios text[], OUT created bigint, OUT updated bigint) RETURNS record
    LANGUAGE plpgsql;

COMMENT ON FUNCTION refresh_properties(folios text[], OUT created bigint, OUT updated bigint) IS 'Derives the properties of the given folios from the live documents. Writes only rows that change.';

CREATE FUNCTION refund_tokens(delivery_ids bigint[], why text, within interval) RETURNS void
    LANGUAGE sql;

COMMENT ON FUNCTION refund_tokens(delivery_ids bigint[], why text, within interval) IS 'Refunds the tokens that were spent on the deliveries within the given time. Refunds each token hold only once.';

CREATE FUNCTION reject_address(record_id bigint, actor text, reason text) RETURNS bigint
    LANGUAGE sql;

COMMENT ON FUNCTION reject_address(record_id bigint, actor text, reason text) IS 'Decides that no property is right for the address of an unmatched record. No later run matches the address or offers it for review. Returns the id of the decision.';

CREATE FUNCTION release_tokens(delivery_ids bigint[], why text) RETURNS void
    LANGUAGE sql;

COMMENT ON FUNCTION release_tokens(delivery_ids bigint[], why text) IS 'Releases the open token holds of deliveries that were never sent. A hold is settled or released only once.';

CREATE FUNCTION releases_of(cfn_year bigint, cfn_seq bigint, case_number text, known_on date) RETURNS SETOF document_versions
    LANGUAGE sql STABLE PARALLEL SAFE;

COMMENT ON FUNCTION releases_of(cfn_year bigint, cfn_seq bigint, case_number text, known_on date) IS 'Returns the releases of a lis pendens that were known by the given business date. A release names the case or the file number of the lis pendens.';

CREATE FUNCTION replay_dead_letters(job_ids bigint[], scale double precision DEFAULT 1) RETURNS TABLE(job_id bigint, outcome text)
    LANGUAGE plpgsql;

COMMENT ON FUNCTION replay_dead_letters(job_ids bigint[], scale double precision) IS 'Replays dead letters: queues their deliveries with new token holds, and returns an outcome for each dead letter. Refuses a job that was replayed before, and a delivery that was sent, is too old or is not replayable.';

CREATE FUNCTION report_alert(alert_fingerprint text, alert_severity text, alert_subject text, alert_message text, alert_affects text[]) RETURNS TABLE(claimed boolean, count integer, opened_at timestamp with time zone)
    LANGUAGE sql;

COMMENT ON FUNCTION report_alert(alert_fingerprint text, alert_severity text, alert_subject text, alert_message text, alert_affects text[]) IS 'Records a report of an alert. The caller must send the alert if the result''s column claimed is true, which happens at most once per hour.';

CREATE FUNCTION resume_queue(queue text, actor text, reason text) RETURNS boolean
    LANGUAGE plpgsql;

COMMENT ON FUNCTION resume_queue(queue text, actor text, reason text) IS 'Resumes a paused queue and records the action in operator_actions. The leader wakes the queue''s workers within about a second. Returns false if the queue is not paused.';

CREATE FUNCTION retry_dead_letters(job_ids bigint[], scale double precision) RETURNS TABLE(id bigint, refusal text)
    LANGUAGE sql;

COMMENT ON FUNCTION retry_dead_letters(job_ids bigint[], scale double precision) IS 'Replays dead letters. Returns for each dead letter the reason why it was not replayed, or null.';

CREATE FUNCTION retry_deliveries(delivery_ids bigint[], scale double precision) RETURNS TABLE(id bigint, refusal text)
    LANGUAGE sql;

COMMENT ON FUNCTION retry_deliveries(delivery_ids bigint[], scale double precision) IS 'Replays the open dead letters of deliveries. Returns for each delivery the reason why it was not queued again, or null.';

CREATE FUNCTION review_candidates(record_id bigint) RETURNS TABLE(folio text, address text, unit text, city text, zip text, owner_name text, why_not text)
    LANGUAGE sql STABLE;

COMMENT ON FUNCTION review_candidates(record_id bigint) IS 'Returns at most 20 parcels that may be the property of an unmatched record, each with what speaks against it. If the match step has found no parcel, these are parcels with a similar address (see near_folios).';

CREATE FUNCTION sale_price(consideration_1 numeric, deed_doc_tax numeric) RETURNS numeric
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION sale_price(consideration_1 numeric, deed_doc_tax numeric) IS 'Returns the price in dollars: the consideration if there is one, and otherwise the price that the deed stamps imply ($0.60 per $100 in this county). Returns null for a nominal deed, and for ten trillion dollars or more.';

CREATE FUNCTION send_deliveries_now(delivery_ids bigint[]) RETURNS TABLE(id bigint, refusal text)
    LANGUAGE sql;

COMMENT ON FUNCTION send_deliveries_now(delivery_ids bigint[]) IS 'Makes queued deliveries due now. Workers still check consent, call windows, preferences and limits before they send. Returns for each delivery the reason why it was not changed, or null.';

CREATE FUNCTION set_is_due() RETURNS trigger
    LANGUAGE plpgsql;

COMMENT ON FUNCTION set_is_due() IS 'Marks whether a queued delivery is due when it is enqueued, requeued or deferred.';

CREATE FUNCTION settle_tokens(delivery_ids bigint[]) RETURNS void
    LANGUAGE sql;

COMMENT ON FUNCTION settle_tokens(delivery_ids bigint[]) IS 'Settles the open token holds of deliveries that the provider accepted. A hold is settled or released only once.';

CREATE FUNCTION settle_tokens(delivery_ids bigint[], amounts integer[]) RETURNS void
    LANGUAGE sql;

COMMENT ON FUNCTION settle_tokens(delivery_ids bigint[], amounts integer[]) IS 'Settles the given amount of each delivery''s open token hold, at most the whole hold, and returns the rest to the balance.';

CREATE FUNCTION spoken_time(moment timestamp with time zone) RETURNS text
    LANGUAGE sql STABLE;

COMMENT ON FUNCTION spoken_time(moment timestamp with time zone) IS 'Returns a time in New York, such as 14:02, or Nov 26, 14:02 if it is on another day.';

CREATE FUNCTION start_operator_action(actor text, action text, object_type text, object_ids bigint[], reason text, parameters jsonb DEFAULT '{}'::jsonb, request_key text DEFAULT NULL::text) RETURNS bigint
    LANGUAGE plpgsql;

COMMENT ON FUNCTION start_operator_action(actor text, action text, object_type text, object_ids bigint[], reason text, parameters jsonb, request_key text) IS 'Records an operator''s action as running, and returns its id. If the request key was used before, returns the id of the action that it started. Raises invalid_parameter_value for an unknown action, a missing reason, or too many rows.';

CREATE FUNCTION stop_operator_action(action_id bigint, actor text) RETURNS boolean
    LANGUAGE sql;

COMMENT ON FUNCTION stop_operator_action(action_id bigint, actor text) IS 'Stops a running action after the batch that is being worked on. Returns false if the action has ended already.';

CREATE FUNCTION store_api_records(asked_folio text, records jsonb) RETURNS void
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off';

COMMENT ON FUNCTION store_api_records(asked_folio text, records jsonb) IS 'Stores the API''s answer for a folio, and derives the properties that the answer''s documents name. The rules are the same as in the batch merge.';

CREATE FUNCTION store_dead_letter_cause() RETURNS trigger
    LANGUAGE plpgsql;

COMMENT ON FUNCTION store_dead_letter_cause() IS 'Writes the cause of a dead letter.';

CREATE FUNCTION store_phone_number() RETURNS trigger
    LANGUAGE plpgsql;

COMMENT ON FUNCTION store_phone_number() IS 'Rewrites the phone number of a lead or consent in E.164. A string that is not a phone number stays unchanged, and is never called.';

CREATE FUNCTION store_suppressed_number() RETURNS trigger
    LANGUAGE plpgsql;

COMMENT ON FUNCTION store_suppressed_number() IS 'Rewrites a suppression''s phone number in E.164, so that the suppression applies no matter how the number is written.';

CREATE FUNCTION store_user_numbers() RETURNS trigger
    LANGUAGE plpgsql;

COMMENT ON FUNCTION store_user_numbers() IS 'Rewrites a subscriber''s phone numbers in E.164. A string that is not a phone number stays unchanged, and nothing is sent to it.';

CREATE FUNCTION street_difference(written text, street text) RETURNS text
    LANGUAGE sql STABLE;

COMMENT ON FUNCTION street_difference(written text, street text) IS 'Returns in words how a street of the roll differs from the street that a record names, or null if they are the same. Both streets have the form direction|name|type.';

CREATE FUNCTION street_key(street text) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE;

COMMENT ON FUNCTION street_key(street text) IS 'Returns the key of a street (street_of), such as |SW|8|ST for SW 8TH ST. A house number and this key are the key of an address. Returns null if the text contains a unit, and if it is no street.';

CREATE FUNCTION street_of(address text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION street_of(address text) IS 'Returns the address without its house number. Returns null if the address does not begin with a plain house number, one blank and a capital letter.';

CREATE FUNCTION street_word(word text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION street_word(word text) IS 'Returns the kind and the short form of an address word from the table street_words, and null for an unknown word.';

CREATE FUNCTION token_entries_are_append_only() RETURNS trigger
    LANGUAGE plpgsql;

CREATE FUNCTION token_entries_move_balance() RETURNS trigger
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off';

CREATE FUNCTION trial_key(subscriber bigint, days_remaining integer) RETURNS text
    LANGUAGE sql STABLE;

COMMENT ON FUNCTION trial_key(subscriber bigint, days_remaining integer) IS 'Returns the dedupe key of a trial reminder. When a trial is extended, the key changes, so the subscriber is reminded again.';

CREATE FUNCTION undo_address_decision(decision_id bigint, actor text, reason text) RETURNS bigint
    LANGUAGE plpgsql;

COMMENT ON FUNCTION undo_address_decision(decision_id bigint, actor text, reason text) IS 'Deletes a decision about an address. Records that were matched to the accepted folio become unmatched records again. The next run of their feed matches them by the usual rules; without a match, it takes the folio from the record, derives the facts of the property again and closes the leads. Returns the number of these records.';

CREATE FUNCTION undo_street_alias(alias text, street text, actor text, reason text) RETURNS bigint
    LANGUAGE plpgsql;

COMMENT ON FUNCTION undo_street_alias(alias text, street text, actor text, reason text) IS 'Deletes an alias that an operator has added. Records on that street that were written otherwise become unmatched records again, and the next run of their feed matches them without the alias. Returns the number of these records.';

CREATE FUNCTION users_record_balance() RETURNS trigger
    LANGUAGE plpgsql;

CREATE TABLE api_documents (
    cfn_year bigint NOT NULL,
    cfn_seq bigint NOT NULL,
    group_id bigint NOT NULL,
    day date NOT NULL,
    answered_at timestamp with time zone NOT NULL,
    document_code text NOT NULL,
    case_number text,
    recorded_on date,
    folio text NOT NULL,
    consideration_1 numeric(16,2),
    deed_doc_tax numeric(16,2),
    original_cfn_year bigint,
    original_cfn_seq bigint
);

COMMENT ON TABLE api_documents IS 'The latest answer from the county''s API for each document. An answer is valid until a file with a later business date mentions the document.';

COMMENT ON COLUMN api_documents.day IS 'New York day of the API''s answer, for comparison with business dates.';

CREATE TABLE document_types (
    code text NOT NULL,
    label text NOT NULL,
    transaction text NOT NULL,
    is_conveyance boolean GENERATED ALWAYS AS ((transaction = ANY (ARRAY['deed'::text, 'quit_claim'::text, 'certificate_of_title'::text, 'probate_distribution'::text]))) STORED,
    releases_mortgage boolean DEFAULT false NOT NULL
);

COMMENT ON TABLE document_types IS 'The Clerk''s document codes and the transaction that each code stands for. An unlisted code counts as other.';

COMMENT ON COLUMN document_types.releases_mortgage IS 'True if the document ends a mortgage. A partial release or a satisfaction of judgment does not end a mortgage.';

CREATE FUNCTION was_sold(folio text, since date, known_on date) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE;

COMMENT ON FUNCTION was_sold(folio text, since date, known_on date) IS 'Returns whether a conveyance with a price, or a certificate of title, was recorded after the given date (since). Counts only documents that the files or the county''s API had reported by the given business date (known_on).';

CREATE FUNCTION wipe_secret() RETURNS trigger
    LANGUAGE plpgsql;

COMMENT ON FUNCTION wipe_secret() IS 'Deletes a delivery''s encrypted verification code as soon as the delivery can no longer be sent.';

CREATE FUNCTION write_properties(folios text[], OUT created bigint, OUT updated bigint) RETURNS record
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off';

COMMENT ON FUNCTION write_properties(folios text[], OUT created bigint, OUT updated bigint) IS 'Derives and writes the properties of the given folios; refresh_properties calls it. Raises unique_violation when another session inserts one of the rows.';

CREATE TABLE ledger_backlog (
    delivery_id bigint NOT NULL,
    hold_number integer NOT NULL,
    entry text NOT NULL,
    user_id bigint NOT NULL,
    tokens integer NOT NULL,
    reason text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT ledger_backlog_entry_check CHECK ((entry = ANY (ARRAY['settle'::text, 'release'::text, 'refund'::text])))
);

COMMENT ON TABLE ledger_backlog IS 'Entries of the token ledger that a worker could not write because another session had locked the subscriber. The leader writes these entries when the lock is released.';

CREATE FUNCTION write_token_entries(entries ledger_backlog[]) RETURNS void
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET lock_timeout TO '500ms';

COMMENT ON FUNCTION write_token_entries(entries ledger_backlog[]) IS 'Writes entries to the ledger. A hold is settled or released only once. If another session has locked a subscriber, the subscriber''s entries go to ledger_backlog, so that nobody else waits for that lock.';

CREATE AGGREGATE newest(anyelement) (
    SFUNC = any_value_transfn,
    STYPE = anyelement,
    PARALLEL = safe
);

COMMENT ON AGGREGATE newest(anyelement) IS 'Returns the first value that is not null. The rows must come from a subquery that sorts them newest first.';

ALTER TABLE address_decisions ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME address_decisions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE ai_scripts (
    id bigint NOT NULL,
    subscriber_id bigint,
    name text,
    greeting_message text,
    outbound_greeting text,
    voicemail_message text,
    is_active boolean DEFAULT true NOT NULL
);

ALTER TABLE ai_scripts ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME ai_scripts_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE alembic_version (
    version_num character varying(32) NOT NULL
);

CREATE TABLE api_balance_levels (
    below integer NOT NULL,
    severity text NOT NULL,
    is_below boolean DEFAULT false NOT NULL,
    crossings integer DEFAULT 0 NOT NULL
);

COMMENT ON TABLE api_balance_levels IS 'Levels of the API''s unit balance. On-call is alerted once each time the balance falls below a level.';

CREATE TABLE api_parties (
    cfn_year bigint NOT NULL,
    cfn_seq bigint NOT NULL,
    group_id bigint NOT NULL,
    party_sequence bigint NOT NULL,
    party_code text,
    party_name text
);

COMMENT ON TABLE api_parties IS 'All parties that the API''s answer names for a document. The API''s parties replace all parties from the files.';

CREATE TABLE api_unit_budget (
    day date NOT NULL,
    used integer DEFAULT 0 NOT NULL,
    cap integer NOT NULL,
    CONSTRAINT api_unit_budget_used_check CHECK ((used >= 0))
);

COMMENT ON TABLE api_unit_budget IS 'Units of the county''s paid API that were used on each New York day.';

CREATE TABLE call_consents (
    id bigint NOT NULL,
    subscriber_id bigint,
    phone_number text NOT NULL,
    granted_at timestamp with time zone DEFAULT now() NOT NULL,
    revoked_at timestamp with time zone,
    source text
);

COMMENT ON TABLE call_consents IS 'Consents to calls: a phone number and the time until which it may be called. The notifier calls only numbers whose consent is not revoked.';

ALTER TABLE call_consents ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME call_consents_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE call_pace (
    only_row boolean DEFAULT true NOT NULL,
    next_start_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT call_pace_only_row_check CHECK (only_row)
);

COMMENT ON TABLE call_pace IS 'Time at which the next call may start. All processes use this row, so that together they start at most CALLS_PER_SECOND.';

CREATE TABLE cleanup_batches (
    id bigint NOT NULL,
    rule text NOT NULL,
    object_name text,
    row_ids bigint[],
    rows integer,
    checksum text,
    removed integer,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    archived_at timestamp with time zone,
    removed_at timestamp with time zone
);

COMMENT ON TABLE cleanup_batches IS 'Batches of rows that are past their retention period, with the archived object for each batch. Cleanup finishes a batch before it begins another batch.';

COMMENT ON COLUMN cleanup_batches.row_ids IS 'Ids of the rows in an unfinished batch.';

COMMENT ON COLUMN cleanup_batches.removed IS 'Number of rows removed. If a row changed after it was archived, cleanup keeps the row and archives it again later.';

ALTER TABLE cleanup_batches ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME cleanup_batches_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE court_files (
    file text NOT NULL,
    record_type text NOT NULL
);

COMMENT ON TABLE court_files IS 'The files of the court feeds, with the record type and the lead type of each file.';

CREATE TABLE staging_evictions (
    ingestion_id bigint NOT NULL,
    line_number integer NOT NULL,
    case_number text NOT NULL,
    filing_date date,
    disposition text,
    judge_section text,
    tenant_name text,
    address text,
    city text,
    state text,
    zip text,
    property_owner text
)
PARTITION BY LIST (ingestion_id);

CREATE TABLE staging_indebtedness (
    ingestion_id bigint NOT NULL,
    line_number integer NOT NULL,
    case_number text NOT NULL,
    case_type text,
    judge_section text,
    filing_date date,
    plaintiff_name text,
    defendant_name text,
    case_status text,
    disposition_date date,
    disposition_code text,
    disposition text,
    claim_amount numeric(16,2),
    address text,
    city text,
    state text,
    zip text
)
PARTITION BY LIST (ingestion_id);

CREATE TABLE staging_probate (
    ingestion_id bigint NOT NULL,
    line_number integer NOT NULL,
    case_number text NOT NULL,
    filing_date date,
    description text,
    party_type text,
    party_name text,
    date_of_death date,
    estate_value numeric(16,2),
    address text,
    city text,
    state text,
    zip text
)
PARTITION BY LIST (ingestion_id);

CREATE TABLE staging_verdicts (
    ingestion_id bigint NOT NULL,
    line_number integer NOT NULL,
    case_number text NOT NULL,
    verdict_date date,
    case_type text,
    plaintiff_name text,
    defendant_name text,
    verdict_amount numeric(16,2),
    address text,
    city text,
    state text,
    zip text
)
PARTITION BY LIST (ingestion_id);

CREATE VIEW court_lines AS
 WITH evictions AS (
         SELECT DISTINCT ON (staging_evictions.ingestion_id, staging_evictions.case_number, staging_evictions.tenant_name) staging_evictions.ingestion_id,
            'eviction'::text AS record_type,
            staging_evictions.case_number,
            staging_evictions.line_number,
            staging_evictions.filing_date AS filed_on,
            NULL::text AS case_type,
            NULL::text AS description,
            staging_evictions.judge_section,
            staging_evictions.tenant_name AS party_name,
            staging_evictions.property_owner AS counterparty_name,
            NULL::numeric AS amount,
            NULL::date AS date_of_death,
            NULL::text AS case_status,
            staging_evictions.disposition,
            NULL::text AS disposition_code,
            NULL::date AS disposition_date,
            (staging_evictions.disposition IS NOT NULL) AS is_disposed,
            staging_evictions.address,
            staging_evictions.city,
            staging_evictions.state,
            staging_evictions.zip
           FROM staging_evictions
          ORDER BY staging_evictions.ingestion_id, staging_evictions.case_number, staging_evictions.tenant_name, staging_evictions.line_number DESC
        ), debts AS (
         SELECT DISTINCT ON (staging_indebtedness.ingestion_id, staging_indebtedness.case_number, staging_indebtedness.defendant_name) staging_indebtedness.ingestion_id,
            'indebtedness'::text AS record_type,
            staging_indebtedness.case_number,
            staging_indebtedness.line_number,
            staging_indebtedness.filing_date AS filed_on,
            staging_indebtedness.case_type,
            NULL::text AS description,
            staging_indebtedness.judge_section,
            staging_indebtedness.defendant_name AS party_name,
            staging_indebtedness.plaintiff_name AS counterparty_name,
            staging_indebtedness.claim_amount AS amount,
            NULL::date AS date_of_death,
            staging_indebtedness.case_status,
            staging_indebtedness.disposition,
            staging_indebtedness.disposition_code,
            staging_indebtedness.disposition_date,
            ((COALESCE(staging_indebtedness.disposition, staging_indebtedness.disposition_code, (staging_indebtedness.disposition_date)::text) IS NOT NULL) OR COALESCE((staging_indebtedness.case_status ~* '^(CLOSED|DISPOSED|DISMISSED|SATISFIED)'::text), false)) AS is_disposed,
            staging_indebtedness.address,
            staging_indebtedness.city,
            staging_indebtedness.state,
            staging_indebtedness.zip
           FROM staging_indebtedness
          ORDER BY staging_indebtedness.ingestion_id, staging_indebtedness.case_number, staging_indebtedness.defendant_name, staging_indebtedness.line_number DESC
        ), verdicts AS (
         SELECT DISTINCT ON (staging_verdicts.ingestion_id, staging_verdicts.case_number, staging_verdicts.defendant_name) staging_verdicts.ingestion_id,
            'verdict'::text AS record_type,
            staging_verdicts.case_number,
            staging_verdicts.line_number,
            staging_verdicts.verdict_date AS filed_on,
            staging_verdicts.case_type,
            NULL::text AS description,
            NULL::text AS judge_section,
            staging_verdicts.defendant_name AS party_name,
            staging_verdicts.plaintiff_name AS counterparty_name,
            staging_verdicts.verdict_amount AS amount,
            NULL::date AS date_of_death,
            NULL::text AS case_status,
            NULL::text AS disposition,
            NULL::text AS disposition_code,
            NULL::date AS disposition_date,
            false AS is_disposed,
            staging_verdicts.address,
            staging_verdicts.city,
            staging_verdicts.state,
            staging_verdicts.zip
           FROM staging_verdicts
          ORDER BY staging_verdicts.ingestion_id, staging_verdicts.case_number, staging_verdicts.defendant_name, staging_verdicts.line_number DESC
        ), estates AS (
         SELECT p.ingestion_id,
            'probate'::text AS record_type,
            p.case_number,
            min(p.line_number) AS line_number,
            COALESCE(min(p.filing_date) FILTER (WHERE (p.party_type = 'DECEDENT'::text)), min(p.filing_date)) AS filed_on,
            NULL::text AS case_type,
            max(p.description) AS description,
            NULL::text AS judge_section,
            (array_agg(p.party_name ORDER BY p.line_number) FILTER (WHERE (p.party_type = 'DECEDENT'::text)))[1] AS party_name,
            (array_agg(p.party_name ORDER BY p.line_number) FILTER (WHERE (p.party_type = 'PETITIONER'::text)))[1] AS counterparty_name,
            max(p.estate_value) AS amount,
            max(p.date_of_death) AS date_of_death,
            NULL::text AS case_status,
            NULL::text AS disposition,
            NULL::text AS disposition_code,
            NULL::date AS disposition_date,
            false AS is_disposed,
            (array_agg(p.address ORDER BY p.line_number) FILTER (WHERE (p.party_type = 'DECEDENT'::text)))[1] AS address,
            (array_agg(p.city ORDER BY p.line_number) FILTER (WHERE (p.party_type = 'DECEDENT'::text)))[1] AS city,
            (array_agg(p.state ORDER BY p.line_number) FILTER (WHERE (p.party_type = 'DECEDENT'::text)))[1] AS state,
            (array_agg(p.zip ORDER BY p.line_number) FILTER (WHERE (p.party_type = 'DECEDENT'::text)))[1] AS zip
           FROM staging_probate p
          GROUP BY p.ingestion_id, p.case_number
        )
 SELECT (row_number() OVER (PARTITION BY ingestion_id, record_type, case_number ORDER BY line_number))::integer AS entry,
    ingestion_id,
    record_type,
    case_number,
    line_number,
    filed_on,
    case_type,
    description,
    judge_section,
    party_name,
    counterparty_name,
    amount,
    date_of_death,
    case_status,
    disposition,
    disposition_code,
    disposition_date,
    is_disposed,
    address,
    city,
    state,
    zip
   FROM ( SELECT evictions.ingestion_id,
            evictions.record_type,
            evictions.case_number,
            evictions.line_number,
            evictions.filed_on,
            evictions.case_type,
            evictions.description,
            evictions.judge_section,
            evictions.party_name,
            evictions.counterparty_name,
            evictions.amount,
            evictions.date_of_death,
            evictions.case_status,
            evictions.disposition,
            evictions.disposition_code,
            evictions.disposition_date,
            evictions.is_disposed,
            evictions.address,
            evictions.city,
            evictions.state,
            evictions.zip
           FROM evictions
        UNION ALL
         SELECT debts.ingestion_id,
            debts.record_type,
            debts.case_number,
            debts.line_number,
            debts.filed_on,
            debts.case_type,
            debts.description,
            debts.judge_section,
            debts.party_name,
            debts.counterparty_name,
            debts.amount,
            debts.date_of_death,
            debts.case_status,
            debts.disposition,
            debts.disposition_code,
            debts.disposition_date,
            debts.is_disposed,
            debts.address,
            debts.city,
            debts.state,
            debts.zip
           FROM debts
        UNION ALL
         SELECT verdicts.ingestion_id,
            verdicts.record_type,
            verdicts.case_number,
            verdicts.line_number,
            verdicts.filed_on,
            verdicts.case_type,
            verdicts.description,
            verdicts.judge_section,
            verdicts.party_name,
            verdicts.counterparty_name,
            verdicts.amount,
            verdicts.date_of_death,
            verdicts.case_status,
            verdicts.disposition,
            verdicts.disposition_code,
            verdicts.disposition_date,
            verdicts.is_disposed,
            verdicts.address,
            verdicts.city,
            verdicts.state,
            verdicts.zip
           FROM verdicts
        UNION ALL
         SELECT estates.ingestion_id,
            estates.record_type,
            estates.case_number,
            estates.line_number,
            estates.filed_on,
            estates.case_type,
            estates.description,
            estates.judge_section,
            estates.party_name,
            estates.counterparty_name,
            estates.amount,
            estates.date_of_death,
            estates.case_status,
            estates.disposition,
            estates.disposition_code,
            estates.disposition_date,
            estates.is_disposed,
            estates.address,
            estates.city,
            estates.state,
            estates.zip
           FROM estates) all_lines;

COMMENT ON VIEW court_lines IS 'The staged lines of all court files, with the columns of court_records.';

CREATE TABLE court_records (
    record_type text NOT NULL,
    case_number text NOT NULL,
    business_date date NOT NULL,
    entry integer NOT NULL,
    filed_on date,
    case_type text,
    description text,
    judge_section text,
    party_name text,
    counterparty_name text,
    amount numeric(16,2),
    date_of_death date,
    case_status text,
    disposition text,
    disposition_code text,
    disposition_date date,
    is_disposed boolean NOT NULL,
    address text,
    city text,
    state text,
    zip text,
    property_id bigint,
    is_live boolean NOT NULL
);

COMMENT ON TABLE court_records IS 'All versions of court cases, each with the business date of its file. A version has one row for each tenant, defendant or decedent.';

COMMENT ON COLUMN court_records.party_name IS 'Name of the tenant, defendant or decedent. The record''s address belongs to this person.';

COMMENT ON COLUMN court_records.counterparty_name IS 'Name of the landlord, plaintiff or petitioner.';

COMMENT ON COLUMN court_records.is_live IS 'True if the row belongs to the newest version of the case.';

CREATE TABLE data_ingestion_logs (
    id bigint NOT NULL,
    ingestion_type text NOT NULL,
    ingestion_date date,
    run_id text,
    records_processed bigint DEFAULT 0 NOT NULL,
    records_rejected bigint DEFAULT 0 NOT NULL,
    new_properties bigint DEFAULT 0 NOT NULL,
    updated_properties bigint DEFAULT 0 NOT NULL,
    new_leads_generated bigint DEFAULT 0 NOT NULL,
    unmatched bigint DEFAULT 0 NOT NULL,
    alerts_written bigint DEFAULT 0 NOT NULL,
    status text DEFAULT 'running'::text NOT NULL,
    error_message text,
    warnings text[] DEFAULT '{}'::text[] NOT NULL,
    duration_seconds numeric(12,3),
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT data_ingestion_logs_status_check CHECK ((status = ANY (ARRAY['running'::text, 'success'::text, 'failed'::text, 'skipped'::text])))
);

COMMENT ON TABLE data_ingestion_logs IS 'Runs of the feeds'' DAGs. A row is inserted when a run begins, and updated when the run ends.';

COMMENT ON COLUMN data_ingestion_logs.records_processed IS 'Number of lines staged from all files of the run.';

ALTER TABLE data_ingestion_logs ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME data_ingestion_logs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE deliveries ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME deliveries_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE delivery_attempts (
    id bigint NOT NULL,
    delivery_id bigint NOT NULL,
    attempt integer NOT NULL,
    due_at timestamp with time zone,
    started_at timestamp with time zone,
    ended_at timestamp with time zone DEFAULT now() NOT NULL,
    outcome text NOT NULL,
    code text,
    provider_id text
);

COMMENT ON TABLE delivery_attempts IS 'Every claim of a delivery that has ended, with its outcome. An attempt in progress is in the delivery''s own row.';

COMMENT ON COLUMN delivery_attempts.attempt IS 'Number of the attempt. A claim that was deferred does not count, so the next claim has the same number. A replay starts again at 1.';

COMMENT ON COLUMN delivery_attempts.due_at IS 'Time at which the attempt was due. Null if no worker claimed the delivery.';

COMMENT ON COLUMN delivery_attempts.started_at IS 'Time of the claim, or of its last renewal. Null if a delivery was deferred without a claim.';

COMMENT ON COLUMN delivery_attempts.outcome IS 'The delivery''s state after the attempt, or deferred if the attempt does not count. If the outcome becomes known later, the row is corrected. After the provider has accepted the delivery, the outcome stays accepted, and delivery_events has what followed.';

COMMENT ON COLUMN delivery_attempts.code IS 'Reason why the attempt did not end as accepted.';

ALTER TABLE delivery_attempts ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME delivery_attempts_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE delivery_codes (
    code text NOT NULL,
    meaning text NOT NULL
);

COMMENT ON TABLE delivery_codes IS 'What the codes in deliveries.error_code mean, as the end of a sentence that begins with "because".';

CREATE TABLE delivery_events (
    id bigint NOT NULL,
    delivery_id bigint,
    provider text NOT NULL,
    event text NOT NULL,
    event_key text NOT NULL,
    provider_id text,
    occurred_at timestamp with time zone,
    received_at timestamp with time zone DEFAULT now() NOT NULL,
    details jsonb DEFAULT '{}'::jsonb NOT NULL,
    applied_at timestamp with time zone
);

COMMENT ON TABLE delivery_events IS 'Events that providers reported about deliveries. An event is stored once, and then applied to the delivery''s state.';

ALTER TABLE delivery_events ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME delivery_events_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE delivery_kinds (
    kind text NOT NULL,
    channel text NOT NULL,
    queue_name text NOT NULL,
    tokens integer NOT NULL,
    claim_order integer NOT NULL,
    retry_delays integer[] NOT NULL,
    max_age interval NOT NULL,
    is_optional boolean NOT NULL,
    is_owed boolean NOT NULL,
    is_replayable boolean NOT NULL,
    CONSTRAINT delivery_kinds_channel_check CHECK ((channel = ANY (ARRAY['email'::text, 'sms'::text, 'voice'::text]))),
    CONSTRAINT delivery_kinds_tokens_check CHECK ((tokens >= 0))
);

COMMENT ON TABLE delivery_kinds IS 'The kinds of deliveries: queue, price, order within the queue, retry delays (seconds), and the age at which a delivery expires.';

COMMENT ON COLUMN delivery_kinds.is_optional IS 'True if a subscriber can unsubscribe from this kind of delivery. An unsubscribe from one kind does not stop deliveries of other kinds.';

COMMENT ON COLUMN delivery_kinds.is_owed IS 'True if a delivery is sent free of charge when the subscriber has too few tokens. Deliveries of other kinds are then skipped.';

COMMENT ON COLUMN delivery_kinds.is_replayable IS 'True if an operator may replay a dead delivery of this kind. False for deliveries that become useless soon after they are due.';

CREATE TABLE suppressions (
    id bigint NOT NULL,
    channel text NOT NULL,
    address text NOT NULL,
    reason text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT suppressions_channel_check CHECK ((channel = ANY (ARRAY['email'::text, 'sms'::text, 'voice'::text])))
);

COMMENT ON TABLE suppressions IS 'E-mail addresses and phone numbers that must not be contacted, because of a STOP reply, a bounce, a complaint or an unsubscribe.';

CREATE TABLE users (
    id bigint NOT NULL,
    email text,
    first_name text,
    last_name text,
    phone_number text,
    twilio_phone_number text,
    subscription_type text,
    subscription_status text,
    trial_ends_at timestamp with time zone,
    token_balance integer DEFAULT 0 NOT NULL,
    email_preferences jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT users_balance_never_negative CHECK ((token_balance >= 0))
);

COMMENT ON TABLE users IS 'Subscribers. The app writes these rows. The token ledger also changes token_balance.';

COMMENT ON COLUMN users.subscription_status IS 'Only active and trialing subscribers receive lead alerts.';

COMMENT ON COLUMN users.token_balance IS 'The subscriber''s balance in tokens. When the app changes the balance, a trigger writes a grant or adjust entry.';

CREATE VIEW delivery_recipients AS
 SELECT d.id,
    d.kind,
    d.subscriber_id,
    d.lead_id,
    d.params,
    d.priority,
    d.due_at,
    d.attempts,
    u.first_name,
    u.email,
    u.phone_number,
    u.token_balance,
    plain_preferences(u.email_preferences) AS preferences,
    u.subscription_type,
    u.trial_ends_at,
    (EXISTS ( SELECT
           FROM suppressions s
          WHERE ((s.channel = d.channel) AND (s.address =
                CASE d.channel
                    WHEN 'email'::text THEN lower(u.email)
                    ELSE e164(u.phone_number)
                END) AND (k.is_optional OR (d.channel <> 'email'::text) OR (COALESCE(s.reason, ''::text) !~~ '%unsubscribe%'::text))))) AS is_suppressed,
        CASE
            WHEN (u.email_preferences ? 'max_daily_emails'::text) THEN ( SELECT count(*) AS count
               FROM deliveries o
              WHERE ((o.subscriber_id = d.subscriber_id) AND (o.kind = ANY (ARRAY['new_lead_alert'::text, 'daily_digest'::text, 'weekly_report'::text])) AND ((new_york_day(o.accepted_at) = new_york_day(now())) OR ((o.state = ANY (ARRAY['sending'::text, 'unknown'::text])) AND (o.claimed_at < d.claimed_at)))))
            ELSE NULL::bigint
        END AS mailed_today
   FROM ((deliveries d
     JOIN delivery_kinds k ON ((k.kind = d.kind)))
     JOIN users u ON ((u.id = d.subscriber_id)));

COMMENT ON VIEW delivery_recipients IS 'Each delivery with its subscriber''s current address, preferences and suppression, and the number of e-mails sent to the subscriber today.';

CREATE TABLE leads (
    id bigint NOT NULL,
    property_id bigint,
    lead_type text NOT NULL,
    lead_source text,
    source_reference text,
    lead_date date,
    business_date date,
    contact_name text,
    contact_address text,
    phone_number text,
    estimated_equity numeric(16,2),
    engagement_count integer DEFAULT 0 NOT NULL,
    lead_score integer DEFAULT 0 NOT NULL,
    status text DEFAULT 'new'::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    announced_at timestamp with time zone,
    last_score_update timestamp with time zone,
    reopens_as text,
    CONSTRAINT leads_lead_score_check CHECK (((lead_score >= 0) AND (lead_score <= 100))),
    CONSTRAINT leads_status_check CHECK ((status = ANY (ARRAY['new'::text, 'contacted'::text, 'converted'::text, 'closed'::text])))
);

COMMENT ON COLUMN leads.lead_date IS 'Date of the record that led to the lead.';

COMMENT ON COLUMN leads.business_date IS 'Business date of the run that created the lead.';

COMMENT ON COLUMN leads.announced_at IS 'Time at which the lead''s alerts were written. Null if the run that created the lead wrote no alerts.';

COMMENT ON COLUMN leads.reopens_as IS 'Status that the lead had before a run closed the lead. The lead gets this status again if it should not have been closed. Null for an open lead and for a lead that a person closed.';

CREATE VIEW distressed_properties AS
 SELECT court_records.property_id,
    court_records.record_type AS distress_type,
    court_records.case_number AS source_reference,
    min(court_records.filed_on) AS detected_on,
        CASE
            WHEN bool_or(court_records.is_disposed) THEN COALESCE(min(court_records.disposition_date), min(court_records.business_date))
            ELSE NULL::date
        END AS resolved_on
   FROM court_records
  WHERE (court_records.is_live AND (court_records.property_id IS NOT NULL))
  GROUP BY court_records.property_id, court_records.record_type, court_records.case_number
UNION ALL
 SELECT leads.property_id,
    leads.lead_type AS distress_type,
    leads.source_reference,
    min(leads.lead_date) AS detected_on,
    NULL::date AS resolved_on
   FROM leads
  WHERE ((leads.lead_type = 'foreclosure'::text) AND (leads.status <> 'closed'::text))
  GROUP BY leads.property_id, leads.lead_type, leads.source_reference;

COMMENT ON VIEW distressed_properties IS 'Reasons why an investor may be interested in a property. There is one row for each court case and for each open foreclosure.';

CREATE VIEW document_parties AS
 SELECT p.cfn_year,
    p.cfn_seq,
    p.group_id,
    p.party_sequence,
    p.party_code,
    p.party_name,
    p.party_key,
    p.business_date,
    p.line_number
   FROM party_versions p
  WHERE (p.is_live AND (EXISTS ( SELECT
           FROM document_versions d
          WHERE (((d.cfn_year = p.cfn_year) AND (d.cfn_seq = p.cfn_seq) AND (d.group_id = p.group_id)) AND d.is_live AND (NOT (EXISTS ( SELECT
                   FROM api_documents a
                  WHERE (((a.cfn_year = d.cfn_year) AND (a.cfn_seq = d.cfn_seq) AND (a.group_id = d.group_id)) AND api_rules(a.cfn_year, a.cfn_seq, a.group_id, a.day)))))))))
UNION ALL
 SELECT p.cfn_year,
    p.cfn_seq,
    p.group_id,
    p.party_sequence,
    p.party_code,
    p.party_name,
    p.party_sequence AS party_key,
    NULL::date AS business_date,
    NULL::integer AS line_number
   FROM (api_parties p
     JOIN api_documents a USING (cfn_year, cfn_seq, group_id))
  WHERE api_rules(a.cfn_year, a.cfn_seq, a.group_id, a.day);

COMMENT ON VIEW document_parties IS 'The parties of the current documents.';

CREATE VIEW email_logs AS
 SELECT subscriber_id AS user_id,
    kind AS email_type,
    provider_id AS sendgrid_message_id,
    recipient AS recipient_email,
        CASE state
            WHEN 'accepted'::text THEN 'sent'::text
            WHEN 'dead'::text THEN 'failed'::text
            WHEN 'parked'::text THEN 'failed'::text
            ELSE state
        END AS status,
    accepted_at AS sent_at
   FROM deliveries
  WHERE ((channel = 'email'::text) AND (emptied_at IS NULL));

CREATE TABLE event_meanings (
    provider text NOT NULL,
    event text NOT NULL,
    state text,
    rank integer NOT NULL,
    suppresses boolean NOT NULL
);

COMMENT ON TABLE event_meanings IS 'The delivery state that each provider event implies, or null for none. If a delivery has several events, the event with the highest rank counts. Of events with the same rank, the latest counts.';

CREATE VIEW eviction_records AS
 SELECT case_number,
    filed_on AS filing_date,
    disposition,
    judge_section,
    party_name AS tenant_name,
    address,
    city,
    state,
    zip,
    counterparty_name AS property_owner,
    property_id,
    business_date
   FROM court_records
  WHERE ((record_type = 'eviction'::text) AND is_live);

COMMENT ON COLUMN eviction_records.tenant_name IS 'Sensitive. A tenant is never the contact of a lead.';

CREATE TABLE failed_jobs (
    id bigint NOT NULL,
    queue_name text,
    job_name text,
    job_data jsonb,
    error_message text,
    traceback text,
    failed_at timestamp with time zone DEFAULT now() NOT NULL,
    retry_count integer DEFAULT 0 NOT NULL,
    state text DEFAULT 'open'::text NOT NULL,
    delivery_id bigint,
    job_key text,
    cause text,
    CONSTRAINT failed_jobs_state_check CHECK ((state = ANY (ARRAY['open'::text, 'replayed'::text, 'dismissed'::text])))
);

COMMENT ON COLUMN failed_jobs.job_key IS 'Identifies the dead letter''s job: a run, an attempt at a delivery, or a message. The key is unique, so each job has one row.';

COMMENT ON COLUMN failed_jobs.cause IS 'Cause by which the operators'' pages group dead letters (dead_letter_cause), written by a trigger.';

ALTER TABLE failed_jobs ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME failed_jobs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE folios_to_refresh (
    folio text NOT NULL
);

COMMENT ON TABLE folios_to_refresh IS 'Folios that the API reported while a merge was running. The lookup and the merge did not see each other''s documents, so the leader derives these properties again.';

CREATE VIEW indebtedness_cases AS
 SELECT case_number,
    case_type,
    judge_section,
    filed_on AS filing_date,
    counterparty_name AS plaintiff_name,
    party_name AS defendant_name,
    case_status,
    disposition_date,
    disposition_code,
    disposition,
    amount AS claim_amount,
    address,
    city,
    state,
    zip,
    property_id,
    business_date
   FROM court_records
  WHERE ((record_type = 'indebtedness'::text) AND is_live);

CREATE TABLE ingestion_files (
    ingestion_id bigint NOT NULL,
    file text NOT NULL,
    object_name text NOT NULL,
    checksum text NOT NULL,
    bytes bigint NOT NULL,
    lines_read bigint,
    lines_staged bigint,
    lines_rejected bigint
);

COMMENT ON TABLE ingestion_files IS 'The archived files that each run has read, with their line counts.';

CREATE TABLE ingestion_steps (
    ingestion_id bigint NOT NULL,
    step text NOT NULL,
    started_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone
);

COMMENT ON TABLE ingestion_steps IS 'When each step of a run began and ended.';

CREATE TABLE kind_breakers (
    kind text NOT NULL,
    opened_at timestamp with time zone DEFAULT now() NOT NULL,
    next_trial_at timestamp with time zone NOT NULL,
    trial_interval interval DEFAULT '00:01:00'::interval NOT NULL,
    code text,
    reason text
);

COMMENT ON TABLE kind_breakers IS 'Open breakers for delivery kinds: the provider refuses every delivery of the kind, such as an e-mail without a template. Workers still send the other kinds of the queue.';

CREATE TABLE lane_breakers (
    queue_name text NOT NULL,
    opened_at timestamp with time zone DEFAULT now() NOT NULL,
    next_trial_at timestamp with time zone NOT NULL,
    code text,
    reason text,
    trial_interval interval DEFAULT '00:01:00'::interval NOT NULL,
    needs_report boolean DEFAULT false NOT NULL
);

COMMENT ON TABLE lane_breakers IS 'Open breakers: queues whose provider refuses every request (wrong key, suspended account) or asks for a pause (429). From next_trial_at on, workers try one delivery in each trial_interval until a trial succeeds.';

CREATE TABLE lane_pauses (
    queue_name text NOT NULL,
    paused_by text NOT NULL,
    reason text NOT NULL,
    paused_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE lane_pauses IS 'Queues that an operator has paused. No worker claims deliveries or lookups of a paused queue. The functions pause_queue and resume_queue write this table.';

CREATE TABLE lane_status (
    process_id text NOT NULL,
    queue_name text NOT NULL,
    waiting bigint DEFAULT 0 NOT NULL,
    active bigint DEFAULT 0 NOT NULL,
    heartbeat_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE lane_status IS 'Heartbeats of the worker processes. A process writes its rows every five seconds.';

CREATE TABLE lead_types (
    lead_type text NOT NULL,
    label text NOT NULL,
    indicator text NOT NULL,
    base_score integer NOT NULL,
    is_urgent boolean NOT NULL,
    CONSTRAINT lead_types_base_score_check CHECK (((base_score >= 0) AND (base_score <= 100)))
);

COMMENT ON TABLE lead_types IS 'Lead types: the name in messages, the reason why the owner may sell, the base score, and whether subscribers get an SMS about a new lead.';

ALTER TABLE leads ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME leads_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE lookups (
    id bigint NOT NULL,
    folio_number text NOT NULL,
    subscriber_id bigint,
    state text DEFAULT 'queued'::text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    not_before timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    asked_at timestamp with time zone,
    asked_on date,
    total_records integer,
    units_consumed integer DEFAULT 0 NOT NULL,
    remaining_balance integer,
    error_code text,
    error_message text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    finished_at timestamp with time zone,
    CONSTRAINT lookups_folio_number_check CHECK ((folio_number ~ '^\d{13}$'::text)),
    CONSTRAINT lookups_state_check CHECK ((state = ANY (ARRAY['queued'::text, 'asking'::text, 'answered'::text, 'failed'::text])))
);

COMMENT ON TABLE lookups IS 'Requests to look up a folio in the county''s API. All callers that wait for the same folio share one row. Workers read the lookups from this table; a message in Redis only wakes a worker.';

COMMENT ON COLUMN lookups.subscriber_id IS 'The subscriber who requested the lookup first and pays for it.';

COMMENT ON COLUMN lookups.asked_on IS 'New York day whose unit budget paid for the lookup''s last call to the API.';

COMMENT ON COLUMN lookups.units_consumed IS 'Units that the lookup''s calls to the API took from the budget. A call whose outcome is unknown also counts.';

ALTER TABLE lookups ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME lookups_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE low_balance_watch (
    user_id bigint NOT NULL
);

COMMENT ON TABLE low_balance_watch IS 'Subscribers who will get a low_token_balance e-mail when their balance falls below their threshold. A grant that raises the balance to the threshold adds the subscriber again.';

CREATE TABLE mailing_runs (
    mailing text NOT NULL,
    last_day date NOT NULL
);

COMMENT ON TABLE mailing_runs IS 'The latest day for which each mailing was enqueued. The next run enqueues the mailings for all days since that day.';

CREATE UNLOGGED TABLE matched_records (
    ingestion_id bigint NOT NULL,
    source_reference text NOT NULL,
    address text,
    folio text NOT NULL,
    decision_id bigint
);

COMMENT ON TABLE matched_records IS 'Properties found for records without a folio. The match step writes these rows, and the merge step reads them.';

COMMENT ON COLUMN matched_records.decision_id IS 'The operator''s decision that gave the folio. If the decision is undone before the merge, the run matches again.';

CREATE TABLE merged_folios (
    ingestion_id bigint NOT NULL,
    folio text NOT NULL
);

COMMENT ON TABLE merged_folios IS 'Folios whose documents a merge has committed and whose properties it has not derived yet. The table is empty, except while a merge is running, and after a merge that ended early until the next merge.';

COMMENT ON COLUMN merged_folios.ingestion_id IS 'The run that changed the documents. The properties are counted in its row.';

CREATE TABLE metric_changes (
    metric text NOT NULL,
    labels text[] NOT NULL,
    change double precision NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='2000', autovacuum_vacuum_insert_scale_factor='0', autovacuum_vacuum_insert_threshold='5000');

COMMENT ON TABLE metric_changes IS 'Changes of the counts that triggers keep, such as the number of due deliveries of a kind. The sum of a metric''s rows is its value (metric_totals).';

CREATE VIEW metric_totals AS
 SELECT metric,
    labels,
    sum(change) AS value
   FROM metric_changes
  GROUP BY metric, labels;

COMMENT ON VIEW metric_totals IS 'The value of each metric that triggers keep, with the values of its labels.';

CREATE TABLE miami_dade_api_logs (
    id bigint NOT NULL,
    query_type text,
    query_params jsonb,
    units_consumed integer,
    remaining_balance integer,
    response_status text,
    records_returned integer,
    triggered_by text,
    subscriber_id bigint,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE miami_dade_api_logs ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME miami_dade_api_logs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE municipalities (
    folio_prefix text NOT NULL,
    municipality text NOT NULL,
    has_post_office boolean DEFAULT false NOT NULL,
    CONSTRAINT municipalities_folio_prefix_check CHECK ((folio_prefix ~ '^\d\d$'::text))
);

COMMENT ON COLUMN municipalities.has_post_office IS 'True if postal addresses use the municipality''s own name. Addresses in most other municipalities may name Miami as the city.';

ALTER TABLE oncall_alerts ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME oncall_alerts_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE operator_actions ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME operator_actions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE pending_cases (
    business_date date NOT NULL,
    record_type text NOT NULL,
    case_number text NOT NULL
);

COMMENT ON TABLE pending_cases IS 'Court cases that a merge changed and whose leads are not up to date yet. If a run fails before the make_leads step, the rows stay for the next run.';

CREATE TABLE pending_folios (
    business_date date NOT NULL,
    folio text NOT NULL
);

COMMENT ON TABLE pending_folios IS 'Folios that a merge changed and whose leads are not up to date yet. If a run fails before the make_leads step, the rows stay for the next run.';

CREATE VIEW probate_cases AS
 SELECT case_number,
    filed_on AS filing_date,
    description,
    party_name AS decedent_name,
    counterparty_name AS petitioner_name,
    date_of_death,
    amount AS estate_value,
    address,
    city,
    state,
    zip,
    property_id,
    business_date
   FROM court_records
  WHERE ((record_type = 'probate'::text) AND is_live);

ALTER TABLE properties ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME properties_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW queue_backlog AS
 WITH counted AS MATERIALIZED (
         SELECT metric_totals.labels[1] AS kind,
            metric_totals.labels[2] AS state,
            (metric_totals.value)::bigint AS deliveries
           FROM metric_totals
          WHERE (metric_totals.metric = 'open_deliveries'::text)
        ), kinds AS (
         SELECT k.queue_name,
            k.kind,
            COALESCE(sum(c.deliveries) FILTER (WHERE (c.state = 'due'::text)), (0)::numeric) AS due,
            COALESCE(sum(c.deliveries) FILTER (WHERE (c.state = 'later'::text)), (0)::numeric) AS later,
            COALESCE(sum(c.deliveries) FILTER (WHERE (c.state = 'sending'::text)), (0)::numeric) AS sending,
            COALESCE(sum(c.deliveries) FILTER (WHERE (c.state = 'unknown'::text)), (0)::numeric) AS unknown,
            COALESCE(sum(c.deliveries) FILTER (WHERE (c.state = 'parked'::text)), (0)::numeric) AS parked
           FROM (delivery_kinds k
             LEFT JOIN counted c USING (kind))
          GROUP BY k.queue_name, k.kind
        )
 SELECT k.queue_name,
    (sum((k.due + (n.unmarked)::numeric)))::bigint AS due,
    (sum((k.later - (n.unmarked)::numeric)))::bigint AS later,
    (sum(k.sending))::bigint AS sending,
    (sum(k.unknown))::bigint AS unknown,
    (sum(k.parked))::bigint AS parked,
    LEAST(min(o.oldest), min(n.oldest)) AS oldest
   FROM ((kinds k
     CROSS JOIN LATERAL ( SELECT count(*) AS unmarked,
            min(d.not_before) AS oldest
           FROM deliveries d
          WHERE ((d.kind = k.kind) AND (d.state = 'queued'::text) AND (NOT d.is_due) AND (d.not_before <= now()))) n)
     CROSS JOIN LATERAL ( SELECT min(d.not_before) AS oldest
           FROM deliveries d
          WHERE ((d.kind = k.kind) AND (d.state = 'queued'::text) AND d.is_due)) o)
  GROUP BY k.queue_name
UNION ALL
 SELECT 'api-property-lookup'::text AS queue_name,
    count(*) FILTER (WHERE ((lookups.state = 'queued'::text) AND (lookups.not_before <= now()))) AS due,
    count(*) FILTER (WHERE ((lookups.state = 'queued'::text) AND (lookups.not_before > now()))) AS later,
    count(*) FILTER (WHERE (lookups.state = 'asking'::text)) AS sending,
    0 AS unknown,
    0 AS parked,
    min(lookups.not_before) FILTER (WHERE ((lookups.state = 'queued'::text) AND (lookups.not_before <= now()))) AS oldest
   FROM lookups
  WHERE (lookups.state = ANY (ARRAY['queued'::text, 'asking'::text]));

COMMENT ON VIEW queue_backlog IS 'For each queue, the number of deliveries or lookups that are due now, due later, being sent, of unknown outcome, and parked, and the time at which the oldest one became due.';

CREATE TABLE queue_metrics (
    id bigint NOT NULL,
    queue_name text NOT NULL,
    waiting_count bigint DEFAULT 0 NOT NULL,
    active_count bigint DEFAULT 0 NOT NULL,
    delayed_count bigint DEFAULT 0 NOT NULL,
    completed_count bigint DEFAULT 0 NOT NULL,
    failed_count bigint DEFAULT 0 NOT NULL,
    dead_count bigint DEFAULT 0 NOT NULL,
    oldest_age_seconds numeric(12,1),
    recorded_at timestamp with time zone DEFAULT now() NOT NULL,
    wait_p50_seconds numeric(12,3),
    wait_p95_seconds numeric(12,3)
);

COMMENT ON COLUMN queue_metrics.completed_count IS 'Number of deliveries accepted by a provider plus the number of lookups answered since the previous row. For the queue admin-alerts, the number of alerts that an on-call address accepted, not counting repeated alerts within an hour.';

COMMENT ON COLUMN queue_metrics.wait_p50_seconds IS 'Median time that attempts and lookups waited from when they were due to their start, of those since the previous row. Null if there were none.';

COMMENT ON COLUMN queue_metrics.wait_p95_seconds IS 'Wait that 95 % of these attempts and lookups did not exceed. Null if there were none.';

ALTER TABLE queue_metrics ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME queue_metrics_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW recorded_documents AS
 SELECT d.cfn_year,
    d.cfn_seq,
    d.group_id,
    d.document_code,
    COALESCE(t.transaction, 'other'::text) AS transaction,
    d.case_number,
    d.recorded_on,
    d.folio_number,
    d.matched_folio,
    d.folio,
    d.property_address,
    d.property_city,
    d.property_zip,
    d.consideration_1,
    d.deed_doc_tax,
    d.original_cfn_year,
    d.original_cfn_seq,
    d.business_date,
    d.line_number
   FROM (document_versions d
     LEFT JOIN document_types t ON ((t.code = d.document_code)))
  WHERE (d.is_live AND (NOT (EXISTS ( SELECT
           FROM api_documents a
          WHERE (((a.cfn_year = d.cfn_year) AND (a.cfn_seq = d.cfn_seq) AND (a.group_id = d.group_id)) AND api_rules(a.cfn_year, a.cfn_seq, a.group_id, a.day))))))
UNION ALL
 SELECT a.cfn_year,
    a.cfn_seq,
    a.group_id,
    a.document_code,
    COALESCE(t.transaction, 'other'::text) AS transaction,
    a.case_number,
    a.recorded_on,
    a.folio AS folio_number,
    NULL::text AS matched_folio,
    a.folio,
    NULL::text AS property_address,
    NULL::text AS property_city,
    NULL::text AS property_zip,
    a.consideration_1,
    a.deed_doc_tax,
    a.original_cfn_year,
    a.original_cfn_seq,
    NULL::date AS business_date,
    NULL::integer AS line_number
   FROM (api_documents a
     LEFT JOIN document_types t ON ((t.code = a.document_code)))
  WHERE api_rules(a.cfn_year, a.cfn_seq, a.group_id, a.day);

COMMENT ON VIEW recorded_documents IS 'The current documents from the daily files and the API''s answers. Deleted documents are left out.';

CREATE VIEW records_to_review AS
 SELECT id,
    feed,
    business_date,
    source_reference,
    address,
    reason,
    candidates,
    unit,
    city,
    zip,
    record_type,
    entry,
    created_at,
    is_released
   FROM unmatched_records
  WHERE ((address IS NOT NULL) AND (COALESCE(reason, ''::text) !~~ '% by an operator%'::text));

COMMENT ON VIEW records_to_review IS 'Unmatched records with an address about which no operator has decided yet.';

CREATE TABLE rejected_records (
    id bigint NOT NULL,
    feed text NOT NULL,
    business_date date NOT NULL,
    file_name text NOT NULL,
    line_number integer,
    reason text,
    raw_line text,
    layout_file text,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE rejected_records IS 'All lines that could not be staged. A row contains the unchanged line, its line number in the file and the reason.';

ALTER TABLE rejected_records ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME rejected_records_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE schema_repeatables (
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL,
    pending_call text
);

COMMENT ON TABLE schema_repeatables IS 'Checksums of the files in reference/ and repeatable/ that migrations last applied. A migration applies a file again when its checksum has changed.';

COMMENT ON COLUMN schema_repeatables.pending_call IS 'Statement that must still run because the file was applied, such as a recalculation of stored values. Null after the statement has run.';

CREATE VIEW sms_logs AS
 SELECT subscriber_id AS user_id,
        CASE kind
            WHEN 'verification_sms'::text THEN 'verification'::text
            WHEN 'urgent_lead_sms'::text THEN 'urgent_lead'::text
            ELSE kind
        END AS sms_type,
    provider_id AS twilio_message_sid,
    recipient AS recipient_phone,
    body AS message_body,
        CASE state
            WHEN 'accepted'::text THEN 'sent'::text
            WHEN 'dead'::text THEN 'failed'::text
            WHEN 'parked'::text THEN 'failed'::text
            ELSE state
        END AS status,
    accepted_at AS sent_at
   FROM deliveries
  WHERE ((channel = 'sms'::text) AND (emptied_at IS NULL));

CREATE TABLE staging_dockets (
    ingestion_id bigint NOT NULL,
    line_number integer NOT NULL,
    cfn_year bigint NOT NULL,
    cfn_seq bigint NOT NULL,
    docket_sequence bigint NOT NULL,
    docket_date date,
    docket_code text
)
PARTITION BY LIST (ingestion_id);

CREATE TABLE staging_docktext (
    ingestion_id bigint NOT NULL,
    line_number integer NOT NULL,
    cfn_year bigint NOT NULL,
    cfn_seq bigint NOT NULL,
    docket_sequence bigint NOT NULL,
    text_line_number bigint NOT NULL,
    docket_text text
)
PARTITION BY LIST (ingestion_id);

CREATE TABLE staging_official_records (
    ingestion_id bigint NOT NULL,
    line_number integer NOT NULL,
    cfn_year bigint NOT NULL,
    cfn_seq bigint NOT NULL,
    group_id bigint NOT NULL,
    document_code text NOT NULL,
    case_number text,
    recorded_on date,
    folio_number text,
    property_address text,
    property_city text,
    property_zip text,
    consideration_1 numeric(16,2),
    deed_doc_tax numeric(16,2),
    original_cfn_year bigint,
    original_cfn_seq bigint,
    row_key bigint,
    transaction_type text NOT NULL
)
PARTITION BY LIST (ingestion_id);

CREATE TABLE staging_parcel_roll (
    ingestion_id bigint NOT NULL,
    line_number integer NOT NULL,
    folio text NOT NULL,
    address text,
    unit text,
    city text,
    zip text,
    owner_name text,
    assessed_value numeric,
    year_built numeric,
    bedrooms numeric,
    bathrooms numeric,
    building_sqft numeric,
    lot_size numeric,
    land_use text,
    is_condominium text,
    parent_folio text
)
PARTITION BY LIST (ingestion_id);

COMMENT ON COLUMN staging_parcel_roll.lot_size IS 'Area of the lot in square feet.';

CREATE TABLE staging_parties (
    ingestion_id bigint NOT NULL,
    line_number integer NOT NULL,
    cfn_year bigint NOT NULL,
    cfn_seq bigint NOT NULL,
    group_id bigint NOT NULL,
    party_sequence bigint NOT NULL,
    party_code text,
    party_name text,
    row_key bigint,
    transaction_type text NOT NULL
)
PARTITION BY LIST (ingestion_id);

CREATE TABLE street_words (
    word text NOT NULL,
    kind text NOT NULL,
    short text NOT NULL,
    CONSTRAINT street_words_kind_check CHECK ((kind = ANY (ARRAY['direction'::text, 'type'::text, 'unit'::text, 'number'::text])))
);

COMMENT ON TABLE street_words IS 'Words in addresses, with their kind and short form. Migrations build the function street_word from this table.';

CREATE TABLE subscriber_lead_criteria (
    id bigint NOT NULL,
    subscriber_id bigint NOT NULL,
    lead_types text[] DEFAULT '{}'::text[] NOT NULL,
    cities text[] DEFAULT '{}'::text[] NOT NULL,
    min_score integer DEFAULT 0 NOT NULL,
    channels text[] DEFAULT '{email}'::text[] NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE subscriber_lead_criteria IS 'Criteria that select the leads for a subscriber. An empty list of cities means all cities. A subscriber may have several rows.';

ALTER TABLE subscriber_lead_criteria ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME subscriber_lead_criteria_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE subscriber_unit_budget (
    day date NOT NULL,
    subscriber_id bigint NOT NULL,
    used bigint NOT NULL,
    CONSTRAINT subscriber_unit_budget_used_check CHECK ((used >= 0))
);

COMMENT ON TABLE subscriber_unit_budget IS 'Units of the county''s paid API that each subscriber''s lookups used on each New York day.';

ALTER TABLE suppressions ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME suppressions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE task_failures (
    id bigint NOT NULL,
    dag_id text NOT NULL,
    run_id text NOT NULL,
    task_id text NOT NULL,
    try_number integer,
    error text,
    log_url text,
    failed_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE task_failures IS 'The last error of each failed task. The callback that alerts on-call reads the error here, because the callback runs in another process and does not get the exception.';

ALTER TABLE task_failures ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME task_failures_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW token_balances AS
SELECT
    NULL::bigint AS user_id,
    NULL::integer AS token_balance,
    NULL::bigint AS by_entries;

COMMENT ON VIEW token_balances IS 'Each subscriber''s balance and the sum of the subscriber''s ledger entries. If balance and sum differ, the ledger is broken.';

CREATE TABLE token_entries (
    id bigint NOT NULL,
    user_id bigint NOT NULL,
    delivery_id bigint,
    lookup_id bigint,
    entry text NOT NULL,
    tokens integer NOT NULL,
    hold_number integer DEFAULT 1 NOT NULL,
    reason text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT token_entries_check CHECK (((tokens > 0) OR ((entry = 'adjust'::text) AND (tokens <> 0)) OR ((entry = 'settle'::text) AND (tokens = 0)))),
    CONSTRAINT token_entries_check1 CHECK (((entry = ANY (ARRAY['hold'::text, 'settle'::text, 'release'::text, 'refund'::text])) = (num_nonnulls(delivery_id, lookup_id) = 1))),
    CONSTRAINT token_entries_entry_check CHECK ((entry = ANY (ARRAY['grant'::text, 'hold'::text, 'settle'::text, 'release'::text, 'refund'::text, 'adjust'::text])))
);

COMMENT ON TABLE token_entries IS 'The token ledger, which is append-only. Balance = grants + adjusts - settled + refunds - open holds.';

COMMENT ON COLUMN token_entries.lookup_id IS 'The lookup that the entry pays for. Null if the entry belongs to a delivery.';

COMMENT ON COLUMN token_entries.hold_number IS 'Number of the hold within its delivery, counted from 1. Each replay creates a new hold.';

ALTER TABLE token_entries ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME token_entries_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW token_usage_logs AS
 SELECT e.user_id,
        CASE
            WHEN (e.lookup_id IS NOT NULL) THEN 'property_lookup'::text
            WHEN (d.channel = 'email'::text) THEN 'email'::text
            WHEN (d.channel = 'sms'::text) THEN 'sms_notification'::text
            WHEN (d.kind = 'inbound_call'::text) THEN 'voice_call_inbound'::text
            ELSE 'voice_call_outbound'::text
        END AS action_type,
    e.tokens AS tokens_used,
    COALESCE(d.lead_id, p.id, d.id, e.lookup_id) AS entity_id,
        CASE
            WHEN (d.lead_id IS NOT NULL) THEN 'lead'::text
            WHEN (d.id IS NOT NULL) THEN 'delivery'::text
            WHEN (p.id IS NOT NULL) THEN 'property'::text
            ELSE 'lookup'::text
        END AS entity_type,
    e.created_at
   FROM (((token_entries e
     LEFT JOIN deliveries d ON ((d.id = e.delivery_id)))
     LEFT JOIN lookups l ON ((l.id = e.lookup_id)))
     LEFT JOIN properties p ON ((p.folio_number = l.folio_number)))
  WHERE (e.entry = 'settle'::text);

ALTER TABLE unmatched_records ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME unmatched_records_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE users ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME users_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW verdict_cases AS
 SELECT case_number,
    filed_on AS verdict_date,
    case_type,
    counterparty_name AS plaintiff_name,
    party_name AS defendant_name,
    amount AS verdict_amount,
    address,
    city,
    state,
    zip,
    property_id,
    business_date
   FROM court_records
  WHERE ((record_type = 'verdict'::text) AND is_live);

CREATE VIEW voice_call_logs AS
 SELECT subscriber_id,
    lead_id,
    provider_id AS twilio_call_sid,
        CASE kind
            WHEN 'inbound_call'::text THEN 'inbound'::text
            ELSE 'outbound'::text
        END AS direction,
    sender AS from_number,
    recipient AS to_number,
        CASE state
            WHEN 'accepted'::text THEN 'sent'::text
            WHEN 'dead'::text THEN 'failed'::text
            WHEN 'parked'::text THEN 'failed'::text
            ELSE state
        END AS status,
    created_at
   FROM deliveries
  WHERE ((channel = 'voice'::text) AND (emptied_at IS NULL));

ALTER TABLE ONLY address_decisions
    ADD CONSTRAINT address_decisions_pkey PRIMARY KEY (id);

ALTER TABLE ONLY ai_scripts
    ADD CONSTRAINT ai_scripts_pkey PRIMARY KEY (id);

ALTER TABLE ONLY alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);

ALTER TABLE ONLY api_balance_levels
    ADD CONSTRAINT api_balance_levels_pkey PRIMARY KEY (below);

ALTER TABLE ONLY api_documents
    ADD CONSTRAINT api_documents_pkey PRIMARY KEY (cfn_year, cfn_seq, group_id);

ALTER TABLE ONLY api_parties
    ADD CONSTRAINT api_parties_pkey PRIMARY KEY (cfn_year, cfn_seq, group_id, party_sequence);

ALTER TABLE ONLY api_unit_budget
    ADD CONSTRAINT api_unit_budget_pkey PRIMARY KEY (day);

ALTER TABLE ONLY call_consents
    ADD CONSTRAINT call_consents_pkey PRIMARY KEY (id);

ALTER TABLE ONLY call_pace
    ADD CONSTRAINT call_pace_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY cleanup_batches
    ADD CONSTRAINT cleanup_batches_pkey PRIMARY KEY (id);

ALTER TABLE ONLY court_files
    ADD CONSTRAINT court_files_pkey PRIMARY KEY (file);

ALTER TABLE ONLY court_files
    ADD CONSTRAINT court_files_record_type_key UNIQUE (record_type);

ALTER TABLE ONLY court_records
    ADD CONSTRAINT court_records_pkey PRIMARY KEY (record_type, case_number, business_date, entry);

ALTER TABLE ONLY data_ingestion_logs
    ADD CONSTRAINT data_ingestion_logs_ingestion_type_run_id_key UNIQUE (ingestion_type, run_id);

ALTER TABLE ONLY data_ingestion_logs
    ADD CONSTRAINT data_ingestion_logs_pkey PRIMARY KEY (id);

ALTER TABLE ONLY deliveries
    ADD CONSTRAINT deliveries_dedupe_key_key UNIQUE (dedupe_key);

ALTER TABLE ONLY deliveries
    ADD CONSTRAINT deliveries_pkey PRIMARY KEY (id);

ALTER TABLE ONLY delivery_attempts
    ADD CONSTRAINT delivery_attempts_pkey PRIMARY KEY (id);

ALTER TABLE ONLY delivery_codes
    ADD CONSTRAINT delivery_codes_pkey PRIMARY KEY (code);

ALTER TABLE ONLY delivery_events
    ADD CONSTRAINT delivery_events_pkey PRIMARY KEY (id);

ALTER TABLE ONLY delivery_events
    ADD CONSTRAINT delivery_events_provider_event_key_key UNIQUE (provider, event_key);

ALTER TABLE ONLY delivery_kinds
    ADD CONSTRAINT delivery_kinds_pkey PRIMARY KEY (kind);

ALTER TABLE ONLY document_types
    ADD CONSTRAINT document_types_pkey PRIMARY KEY (code);

ALTER TABLE ONLY document_versions
    ADD CONSTRAINT document_versions_pkey PRIMARY KEY (cfn_year, cfn_seq, group_id, business_date);

ALTER TABLE ONLY event_meanings
    ADD CONSTRAINT event_meanings_pkey PRIMARY KEY (provider, event);

ALTER TABLE ONLY failed_jobs
    ADD CONSTRAINT failed_jobs_job_key_key UNIQUE (job_key);

ALTER TABLE ONLY failed_jobs
    ADD CONSTRAINT failed_jobs_pkey PRIMARY KEY (id);

ALTER TABLE ONLY ingestion_files
    ADD CONSTRAINT ingestion_files_pkey PRIMARY KEY (ingestion_id, file);

ALTER TABLE ONLY ingestion_steps
    ADD CONSTRAINT ingestion_steps_pkey PRIMARY KEY (ingestion_id, step);

ALTER TABLE ONLY kind_breakers
    ADD CONSTRAINT kind_breakers_pkey PRIMARY KEY (kind);

ALTER TABLE ONLY land_uses
    ADD CONSTRAINT land_uses_pkey PRIMARY KEY (rank);

ALTER TABLE ONLY lane_breakers
    ADD CONSTRAINT lane_breakers_pkey PRIMARY KEY (queue_name);

ALTER TABLE ONLY lane_pauses
    ADD CONSTRAINT lane_pauses_pkey PRIMARY KEY (queue_name);

ALTER TABLE ONLY lane_status
    ADD CONSTRAINT lane_status_pkey PRIMARY KEY (process_id, queue_name);

ALTER TABLE ONLY lead_types
    ADD CONSTRAINT lead_types_pkey PRIMARY KEY (lead_type);

ALTER TABLE ONLY leads
    ADD CONSTRAINT leads_pkey PRIMARY KEY (id);

ALTER TABLE ONLY leads
    ADD CONSTRAINT leads_property_id_lead_type_source_reference_key UNIQUE (property_id, lead_type, source_reference);

ALTER TABLE ONLY ledger_backlog
    ADD CONSTRAINT ledger_backlog_pkey PRIMARY KEY (delivery_id, hold_number, entry);

ALTER TABLE ONLY lookups
    ADD CONSTRAINT lookups_pkey PRIMARY KEY (id);

ALTER TABLE ONLY low_balance_watch
    ADD CONSTRAINT low_balance_watch_pkey PRIMARY KEY (user_id);

ALTER TABLE ONLY mailing_runs
    ADD CONSTRAINT mailing_runs_pkey PRIMARY KEY (mailing);

ALTER TABLE ONLY matched_records
    ADD CONSTRAINT matched_records_pkey PRIMARY KEY (ingestion_id, source_reference);

ALTER TABLE ONLY miami_dade_api_logs
    ADD CONSTRAINT miami_dade_api_logs_pkey PRIMARY KEY (id);

ALTER TABLE ONLY municipalities
    ADD CONSTRAINT municipalities_pkey PRIMARY KEY (folio_prefix);

ALTER TABLE ONLY oncall_alerts
    ADD CONSTRAINT oncall_alerts_fingerprint_key UNIQUE (fingerprint);

ALTER TABLE ONLY oncall_alerts
    ADD CONSTRAINT oncall_alerts_pkey PRIMARY KEY (id);

ALTER TABLE ONLY operator_actions
    ADD CONSTRAINT operator_actions_pkey PRIMARY KEY (id);

ALTER TABLE ONLY operator_actions
    ADD CONSTRAINT operator_actions_request_key_key UNIQUE (request_key);

ALTER TABLE ONLY party_versions
    ADD CONSTRAINT party_versions_pkey PRIMARY KEY (cfn_year, cfn_seq, group_id, party_key, business_date);

ALTER TABLE ONLY pending_cases
    ADD CONSTRAINT pending_cases_pkey PRIMARY KEY (business_date, record_type, case_number);

ALTER TABLE ONLY properties
    ADD CONSTRAINT properties_folio_number_key UNIQUE (folio_number);

ALTER TABLE ONLY properties
    ADD CONSTRAINT properties_pkey PRIMARY KEY (id);

ALTER TABLE ONLY queue_metrics
    ADD CONSTRAINT queue_metrics_pkey PRIMARY KEY (id);

ALTER TABLE ONLY rejected_records
    ADD CONSTRAINT rejected_records_pkey PRIMARY KEY (id);

ALTER TABLE ONLY schema_repeatables
    ADD CONSTRAINT schema_repeatables_pkey PRIMARY KEY (name);

ALTER TABLE ONLY street_aliases
    ADD CONSTRAINT street_aliases_pkey PRIMARY KEY (alias, street);

ALTER TABLE ONLY street_words
    ADD CONSTRAINT street_words_pkey PRIMARY KEY (word);

ALTER TABLE ONLY subscriber_lead_criteria
    ADD CONSTRAINT subscriber_lead_criteria_pkey PRIMARY KEY (id);

ALTER TABLE ONLY subscriber_unit_budget
    ADD CONSTRAINT subscriber_unit_budget_pkey PRIMARY KEY (day, subscriber_id);

ALTER TABLE ONLY suppressions
    ADD CONSTRAINT suppressions_channel_address_key UNIQUE (channel, address);

ALTER TABLE ONLY suppressions
    ADD CONSTRAINT suppressions_pkey PRIMARY KEY (id);

ALTER TABLE ONLY task_failures
    ADD CONSTRAINT task_failures_pkey PRIMARY KEY (id);

ALTER TABLE ONLY token_entries
    ADD CONSTRAINT token_entries_pkey PRIMARY KEY (id);

ALTER TABLE ONLY unmatched_records
    ADD CONSTRAINT unmatched_records_feed_source_reference_record_type_entry_key UNIQUE (feed, source_reference, record_type, entry);

ALTER TABLE ONLY unmatched_records
    ADD CONSTRAINT unmatched_records_pkey PRIMARY KEY (id);

ALTER TABLE ONLY users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);

CREATE UNIQUE INDEX address_decisions_address ON address_decisions USING btree (address_key, unit_key, zip, written) NULLS NOT DISTINCT;

CREATE INDEX ai_scripts_subscriber ON ai_scripts USING btree (subscriber_id) WHERE is_active;

CREATE INDEX api_documents_folio ON api_documents USING btree (folio);

CREATE INDEX call_consents_phone ON call_consents USING btree (phone_number);

CREATE UNIQUE INDEX cleanup_batches_open ON cleanup_batches USING btree (rule) WHERE (removed_at IS NULL);

CREATE INDEX court_records_day ON court_records USING btree (business_date, record_type);

CREATE INDEX court_records_property ON court_records USING btree (property_id) WHERE ((property_id IS NOT NULL) AND is_live);

CREATE INDEX data_ingestion_logs_day ON data_ingestion_logs USING btree (ingestion_type, ingestion_date);

CREATE INDEX deliveries_accepted ON deliveries USING btree (kind, accepted_at) WHERE (accepted_at IS NOT NULL);

COMMENT ON INDEX deliveries_accepted IS 'Finds deliveries that were completed since the last row in queue_metrics.';

CREATE INDEX deliveries_calls ON deliveries USING btree (check_at) WHERE ((channel = 'voice'::text) AND (state = ANY (ARRAY['sending'::text, 'unknown'::text, 'accepted'::text, 'sent'::text])));

CREATE INDEX deliveries_codes ON deliveries USING btree (error_code, id) WHERE (error_code IS NOT NULL);

CREATE INDEX deliveries_created ON deliveries USING brin (created_at);

CREATE INDEX deliveries_errors ON deliveries USING gin (error_message gin_trgm_ops) WHERE (error_message IS NOT NULL);

CREATE INDEX deliveries_in_flight ON deliveries USING btree (state, updated_at) WHERE (state = ANY (ARRAY['sending'::text, 'unknown'::text]));

CREATE INDEX deliveries_lead ON deliveries USING btree (lead_id) WHERE (lead_id IS NOT NULL);

CREATE INDEX deliveries_numbers ON deliveries USING btree (recipient) WHERE ((channel <> 'email'::text) AND (recipient IS NOT NULL));

CREATE INDEX deliveries_of_subscriber ON deliveries USING btree (subscriber_id, created_at, id);

CREATE INDEX deliveries_provider ON deliveries USING btree (provider_id) WHERE (provider_id IS NOT NULL);

CREATE INDEX deliveries_recent_codes ON deliveries USING btree (claimed_at) WHERE ((kind = 'verification_sms'::text) AND (recipient IS NOT NULL));

COMMENT ON INDEX deliveries_recent_codes IS 'Finds the verification codes that were sent in the last hour. A limit applies to the number of these codes.';

CREATE INDEX deliveries_states ON deliveries USING btree (state, id) INCLUDE (kind, not_before) WHERE (state = ANY (ARRAY['queued'::text, 'unknown'::text, 'parked'::text, 'undelivered'::text, 'failed'::text, 'dead'::text, 'skipped'::text, 'suppressed'::text, 'expired'::text, 'cancelled'::text]));

CREATE INDEX deliveries_to_claim ON deliveries USING btree (kind, priority DESC, id) WHERE ((state = 'queued'::text) AND is_due);

CREATE INDEX deliveries_to_expire ON deliveries USING btree (kind, due_at) WHERE (state = 'queued'::text);

CREATE INDEX deliveries_to_resend ON deliveries USING btree (kind) WHERE ((state = 'queued'::text) AND (resends > 0));

CREATE INDEX deliveries_unconfirmed_sms ON deliveries USING btree (updated_at) WHERE ((channel = 'sms'::text) AND (state = ANY (ARRAY['accepted'::text, 'sent'::text])));

CREATE INDEX deliveries_waiting ON deliveries USING btree (kind, is_due, not_before) WHERE (state = 'queued'::text);

CREATE INDEX deliveries_whole ON deliveries USING btree (created_at) WHERE (emptied_at IS NULL);

COMMENT ON INDEX deliveries_whole IS 'Finds rows that cleanup has not emptied yet. Cleanup keeps the rows that it empties, so most rows in the table are already emptied.';

CREATE INDEX delivery_attempts_delivery ON delivery_attempts USING btree (delivery_id);

CREATE INDEX delivery_attempts_ended ON delivery_attempts USING btree (ended_at);

COMMENT ON INDEX delivery_attempts_ended IS 'Finds attempts that ended since the last row in queue_metrics.';

CREATE INDEX delivery_events_delivery ON delivery_events USING btree (delivery_id);

CREATE INDEX delivery_events_received ON delivery_events USING brin (received_at);

CREATE UNIQUE INDEX delivery_events_said ON delivery_events USING btree (delivery_id, provider_id, event, occurred_at) NULLS NOT DISTINCT WHERE ((provider = 'sendgrid'::text) AND (provider_id IS NOT NULL));

CREATE INDEX delivery_events_to_apply ON delivery_events USING btree (id) WHERE ((applied_at IS NULL) AND (delivery_id IS NOT NULL));

CREATE INDEX delivery_events_unlinked ON delivery_events USING btree (received_at) WHERE ((applied_at IS NULL) AND (delivery_id IS NULL) AND (provider <> 'sendgrid'::text));

CREATE INDEX delivery_events_unlinked_ids ON delivery_events USING btree (provider_id) WHERE ((applied_at IS NULL) AND (delivery_id IS NULL) AND (provider <> 'sendgrid'::text));

CREATE INDEX document_versions_case ON document_versions USING btree (case_number) WHERE ((case_number IS NOT NULL) AND is_live);

CREATE INDEX document_versions_day ON document_versions USING brin (business_date);

CREATE INDEX document_versions_folio ON document_versions USING btree (folio) WHERE (folio IS NOT NULL);

CREATE INDEX document_versions_original ON document_versions USING btree (original_cfn_seq, original_cfn_year) WHERE ((original_cfn_seq IS NOT NULL) AND is_live);

CREATE INDEX failed_jobs_causes ON failed_jobs USING btree (cause, queue_name, job_name, state, failed_at, id);

CREATE INDEX failed_jobs_delivery ON failed_jobs USING btree (delivery_id) WHERE (delivery_id IS NOT NULL);

CREATE INDEX failed_jobs_errors ON failed_jobs USING gin (error_message gin_trgm_ops, cause gin_trgm_ops);

CREATE INDEX failed_jobs_subscriber ON failed_jobs USING btree (((job_data ->> 'subscriber_id'::text)));

CREATE INDEX failed_jobs_time ON failed_jobs USING btree (failed_at);

CREATE INDEX leads_announced ON leads USING btree (announced_at) WHERE (announced_at IS NOT NULL);

CREATE INDEX leads_business_date ON leads USING btree (business_date);

CREATE INDEX leads_court_case ON leads USING btree (source_reference) WHERE (lead_type = ANY (ARRAY['eviction'::text, 'indebtedness'::text, 'probate'::text, 'verdict'::text]));

CREATE INDEX leads_phone_number ON leads USING btree (phone_number) WHERE (phone_number IS NOT NULL);

CREATE INDEX leads_unannounced ON leads USING btree (business_date) WHERE (announced_at IS NULL);

CREATE INDEX lookups_answered ON lookups USING btree (finished_at) WHERE (state = 'answered'::text);

CREATE INDEX lookups_finished ON lookups USING btree (folio_number, finished_at) WHERE (finished_at IS NOT NULL);

CREATE UNIQUE INDEX lookups_single_flight ON lookups USING btree (folio_number) WHERE (state = ANY (ARRAY['queued'::text, 'asking'::text]));

CREATE INDEX miami_dade_api_logs_created ON miami_dade_api_logs USING btree (created_at);

CREATE INDEX operator_actions_bulk ON operator_actions USING gist (int8range(object_ids[1], object_ids[cardinality(object_ids)], '[]'::text)) WHERE ((cardinality(object_ids) > 100) AND (object_type = ANY (ARRAY['delivery'::text, 'dead_letter'::text])));

CREATE INDEX operator_actions_objects ON operator_actions USING gin (object_ids) WHERE (cardinality(object_ids) <= 100);

CREATE INDEX operator_actions_running ON operator_actions USING btree (id) WHERE (state = 'running'::text);

CREATE INDEX party_versions_day ON party_versions USING brin (business_date);

CREATE INDEX properties_address_key ON properties USING btree (address_key, unit_key) WHERE (address_key IS NOT NULL);

CREATE INDEX queue_metrics_time ON queue_metrics USING btree (queue_name, recorded_at);

CREATE INDEX rejected_records_lines ON rejected_records USING btree (feed, business_date, id);

CREATE INDEX subscriber_lead_criteria_subscriber ON subscriber_lead_criteria USING btree (subscriber_id);

CREATE INDEX task_failures_run ON task_failures USING btree (dag_id, run_id);

CREATE INDEX token_entries_lookup ON token_entries USING btree (lookup_id) WHERE (lookup_id IS NOT NULL);

CREATE UNIQUE INDEX token_entries_one_end ON token_entries USING btree (delivery_id, hold_number) WHERE (entry = ANY (ARRAY['settle'::text, 'release'::text]));

CREATE UNIQUE INDEX token_entries_one_hold ON token_entries USING btree (delivery_id, hold_number) WHERE (entry = 'hold'::text);

CREATE UNIQUE INDEX token_entries_one_lookup_end ON token_entries USING btree (lookup_id) WHERE (entry = ANY (ARRAY['settle'::text, 'release'::text]));

CREATE UNIQUE INDEX token_entries_one_lookup_hold ON token_entries USING btree (lookup_id) WHERE ((entry = 'hold'::text) AND (lookup_id IS NOT NULL));

CREATE UNIQUE INDEX token_entries_one_refund ON token_entries USING btree (delivery_id, hold_number) WHERE (entry = 'refund'::text);

CREATE INDEX token_entries_user ON token_entries USING btree (user_id, created_at);

CREATE INDEX users_twilio_phone_number ON users USING btree (twilio_phone_number) WHERE (twilio_phone_number IS NOT NULL);

CREATE OR REPLACE VIEW token_balances AS
 SELECT u.id AS user_id,
    u.token_balance,
    ((COALESCE(sum(e.tokens) FILTER (WHERE (e.entry = ANY (ARRAY['grant'::text, 'adjust'::text, 'release'::text, 'refund'::text]))), (0)::bigint) - COALESCE(sum(e.tokens) FILTER (WHERE (e.entry = 'hold'::text)), (0)::bigint)) + COALESCE(sum((h.tokens - e.tokens)) FILTER (WHERE (e.entry = 'settle'::text)), (0)::bigint)) AS by_entries
   FROM ((users u
     LEFT JOIN token_entries e ON ((e.user_id = u.id)))
     LEFT JOIN token_entries h ON (((e.entry = 'settle'::text) AND (h.entry = 'hold'::text) AND (h.delivery_id = e.delivery_id) AND (h.hold_number = e.hold_number))))
  GROUP BY u.id;

CREATE TRIGGER call_consents_number BEFORE INSERT OR UPDATE OF phone_number ON call_consents FOR EACH ROW EXECUTE FUNCTION store_phone_number();

CREATE TRIGGER deliveries_correct_attempt AFTER UPDATE OF state, provider_id ON deliveries FOR EACH ROW WHEN ((((old.state = ANY (ARRAY['accepted'::text, 'sent'::text, 'delivered'::text, 'undelivered'::text])) AND (new.provider_id IS NOT NULL) AND (new.provider_id IS DISTINCT FROM old.provider_id)) OR ((old.state <> ALL (ARRAY['sending'::text, 'accepted'::text, 'sent'::text, 'delivered'::text, 'undelivered'::text])) AND (new.state = ANY (ARRAY['accepted'::text, 'sent'::text, 'delivered'::text, 'undelivered'::text])) AND (new.attempts = old.attempts)) OR ((old.state = 'unknown'::text) AND (new.state <> ALL (ARRAY['unknown'::text, 'parked'::text])) AND (new.resends = old.resends) AND (new.replays = old.replays)))) EXECUTE FUNCTION correct_attempt();

CREATE TRIGGER deliveries_count_deletes AFTER DELETE ON deliveries REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION count_deliveries();

CREATE TRIGGER deliveries_count_inserts AFTER INSERT ON deliveries REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_deliveries();

CREATE TRIGGER deliveries_count_truncate AFTER TRUNCATE ON deliveries FOR EACH STATEMENT EXECUTE FUNCTION count_deliveries();

CREATE TRIGGER deliveries_count_updates AFTER UPDATE ON deliveries REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_deliveries();

CREATE TRIGGER deliveries_link_early_events AFTER UPDATE OF provider_id ON deliveries FOR EACH ROW WHEN (((new.channel <> 'email'::text) AND (new.provider_id IS NOT NULL) AND (new.provider_id IS DISTINCT FROM old.provider_id))) EXECUTE FUNCTION link_early_events();

CREATE TRIGGER deliveries_record_attempts AFTER UPDATE ON deliveries REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION record_attempts();

CREATE TRIGGER deliveries_set_is_due BEFORE INSERT OR UPDATE OF state, not_before ON deliveries FOR EACH ROW WHEN (((new.state = 'queued'::text) AND (new.is_due <> (new.not_before <= now())))) EXECUTE FUNCTION set_is_due();

CREATE TRIGGER deliveries_wipe_secret BEFORE UPDATE OF state ON deliveries FOR EACH ROW WHEN (((new.state <> ALL (ARRAY['queued'::text, 'sending'::text])) AND (new.params ? 'secret'::text))) EXECUTE FUNCTION wipe_secret();

CREATE TRIGGER delivery_events_count AFTER INSERT ON delivery_events REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_callbacks();

CREATE TRIGGER failed_jobs_cause BEFORE INSERT OR UPDATE OF job_data, error_message ON failed_jobs FOR EACH ROW EXECUTE FUNCTION store_dead_letter_cause();

CREATE TRIGGER failed_jobs_count_deletes AFTER DELETE ON failed_jobs REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION count_dead_letters();

CREATE TRIGGER failed_jobs_count_inserts AFTER INSERT ON failed_jobs REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_dead_letters();

CREATE TRIGGER failed_jobs_count_truncate AFTER TRUNCATE ON failed_jobs FOR EACH STATEMENT EXECUTE FUNCTION count_dead_letters();

CREATE TRIGGER failed_jobs_count_updates AFTER UPDATE ON failed_jobs REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_dead_letters();

CREATE TRIGGER leads_keep_decision BEFORE UPDATE OF status ON leads FOR EACH ROW WHEN (((old.reopens_as IS NOT NULL) AND (NOT (new.reopens_as IS DISTINCT FROM old.reopens_as)))) EXECUTE FUNCTION leads_keep_decision();

CREATE TRIGGER leads_number BEFORE INSERT OR UPDATE OF phone_number ON leads FOR EACH ROW WHEN ((new.phone_number IS NOT NULL)) EXECUTE FUNCTION store_phone_number();

CREATE TRIGGER lookups_count AFTER UPDATE OF state ON lookups FOR EACH ROW WHEN (((old.finished_at IS NULL) AND (new.finished_at IS NOT NULL))) EXECUTE FUNCTION count_lookup();

CREATE TRIGGER properties_make_address_key_again BEFORE UPDATE OF address, unit ON properties FOR EACH ROW WHEN (((old.address IS DISTINCT FROM new.address) OR (old.unit IS DISTINCT FROM new.unit))) EXECUTE FUNCTION properties_make_address_key();

CREATE TRIGGER properties_make_address_key_of_new BEFORE INSERT ON properties FOR EACH ROW WHEN (((new.address IS NOT NULL) AND (new.address_key IS NULL))) EXECUTE FUNCTION properties_make_address_key();

CREATE TRIGGER suppressions_number BEFORE INSERT OR UPDATE OF address ON suppressions FOR EACH ROW WHEN ((new.channel <> 'email'::text)) EXECUTE FUNCTION store_suppressed_number();

CREATE TRIGGER token_entries_are_append_only BEFORE DELETE OR UPDATE ON token_entries FOR EACH STATEMENT EXECUTE FUNCTION token_entries_are_append_only();

CREATE TRIGGER token_entries_count_holds AFTER INSERT ON token_entries REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_open_holds();

CREATE TRIGGER token_entries_count_truncate AFTER TRUNCATE ON token_entries FOR EACH STATEMENT EXECUTE FUNCTION count_open_holds();

CREATE TRIGGER token_entries_move_balance AFTER INSERT ON token_entries REFERENCING NEW TABLE AS new_entries FOR EACH STATEMENT EXECUTE FUNCTION token_entries_move_balance();

CREATE TRIGGER users_numbers BEFORE INSERT OR UPDATE OF phone_number, twilio_phone_number ON users FOR EACH ROW EXECUTE FUNCTION store_user_numbers();

CREATE TRIGGER users_record_balance AFTER INSERT OR UPDATE OF token_balance ON users FOR EACH ROW EXECUTE FUNCTION users_record_balance();

ALTER TABLE ONLY ai_scripts
    ADD CONSTRAINT ai_scripts_subscriber_id_fkey FOREIGN KEY (subscriber_id) REFERENCES users(id) ON DELETE CASCADE;

ALTER TABLE ONLY api_parties
    ADD CONSTRAINT api_parties_cfn_year_cfn_seq_group_id_fkey FOREIGN KEY (cfn_year, cfn_seq, group_id) REFERENCES api_documents(cfn_year, cfn_seq, group_id) ON DELETE CASCADE;

ALTER TABLE ONLY call_consents
    ADD CONSTRAINT call_consents_subscriber_id_fkey FOREIGN KEY (subscriber_id) REFERENCES users(id) ON DELETE CASCADE;

ALTER TABLE ONLY court_records
    ADD CONSTRAINT court_records_property_id_fkey FOREIGN KEY (property_id) REFERENCES properties(id);

ALTER TABLE ONLY deliveries
    ADD CONSTRAINT deliveries_kind_fkey FOREIGN KEY (kind) REFERENCES delivery_kinds(kind);

ALTER TABLE ONLY deliveries
    ADD CONSTRAINT deliveries_lead_id_fkey FOREIGN KEY (lead_id) REFERENCES leads(id);

ALTER TABLE ONLY deliveries
    ADD CONSTRAINT deliveries_subscriber_id_fkey FOREIGN KEY (subscriber_id) REFERENCES users(id);

ALTER TABLE ONLY delivery_events
    ADD CONSTRAINT delivery_events_delivery_id_fkey FOREIGN KEY (delivery_id) REFERENCES deliveries(id);

ALTER TABLE ONLY ingestion_files
    ADD CONSTRAINT ingestion_files_ingestion_id_fkey FOREIGN KEY (ingestion_id) REFERENCES data_ingestion_logs(id) ON DELETE CASCADE;

ALTER TABLE ONLY ingestion_steps
    ADD CONSTRAINT ingestion_steps_ingestion_id_fkey FOREIGN KEY (ingestion_id) REFERENCES data_ingestion_logs(id) ON DELETE CASCADE;

ALTER TABLE ONLY kind_breakers
    ADD CONSTRAINT kind_breakers_kind_fkey FOREIGN KEY (kind) REFERENCES delivery_kinds(kind);

ALTER TABLE ONLY leads
    ADD CONSTRAINT leads_lead_type_fkey FOREIGN KEY (lead_type) REFERENCES lead_types(lead_type);

ALTER TABLE ONLY leads
    ADD CONSTRAINT leads_property_id_fkey FOREIGN KEY (property_id) REFERENCES properties(id);

ALTER TABLE ONLY lookups
    ADD CONSTRAINT lookups_subscriber_id_fkey FOREIGN KEY (subscriber_id) REFERENCES users(id);

ALTER TABLE ONLY low_balance_watch
    ADD CONSTRAINT low_balance_watch_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;

ALTER TABLE ONLY miami_dade_api_logs
    ADD CONSTRAINT miami_dade_api_logs_subscriber_id_fkey FOREIGN KEY (subscriber_id) REFERENCES users(id);

ALTER TABLE ONLY subscriber_lead_criteria
    ADD CONSTRAINT subscriber_lead_criteria_subscriber_id_fkey FOREIGN KEY (subscriber_id) REFERENCES users(id) ON DELETE CASCADE;

ALTER TABLE ONLY subscriber_unit_budget
    ADD CONSTRAINT subscriber_unit_budget_subscriber_id_fkey FOREIGN KEY (subscriber_id) REFERENCES users(id) ON DELETE CASCADE;

ALTER TABLE ONLY token_entries
    ADD CONSTRAINT token_entries_delivery_id_fkey FOREIGN KEY (delivery_id) REFERENCES deliveries(id);

ALTER TABLE ONLY token_entries
    ADD CONSTRAINT token_entries_lookup_id_fkey FOREIGN KEY (lookup_id) REFERENCES lookups(id);

ALTER TABLE ONLY token_entries
    ADD CONSTRAINT token_entries_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id);

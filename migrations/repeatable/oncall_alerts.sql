-- Alerts to on-call. Each cause has one row, so repeated reports of the same cause count as one alert. Only the first
-- 500 characters of a fingerprint are stored and compared, because an index cannot hold a very long fingerprint.

CREATE OR REPLACE FUNCTION report_alert(
    alert_fingerprint text, alert_severity text, alert_subject text, alert_message text, alert_affects text[]
) RETURNS TABLE (claimed boolean, count integer, opened_at timestamptz) LANGUAGE sql AS $$
    INSERT INTO oncall_alerts AS a (fingerprint, severity, subject, message, affects, sending_since)
    VALUES (left(alert_fingerprint, 500), alert_severity, alert_subject, alert_message, alert_affects, now())
    ON CONFLICT (fingerprint) DO UPDATE
    SET severity = excluded.severity, subject = excluded.subject, message = excluded.message,
        affects = CASE WHEN a.closed_at IS NULL
                       THEN ARRAY(SELECT DISTINCT unnest(a.affects || excluded.affects))
                       ELSE excluded.affects END,
        count = CASE WHEN a.closed_at IS NULL THEN a.count + 1 ELSE 1 END,
        opened_at = CASE WHEN a.closed_at IS NULL THEN a.opened_at ELSE now() END,
        closed_at = NULL, recovery = NULL,
        sending_since = CASE
            WHEN (a.last_sent_at IS NULL OR a.last_sent_at < now() - interval '1 hour')
             AND (a.sending_since IS NULL OR a.sending_since < now() - interval '2 minutes') THEN now()
            ELSE a.sending_since END
    RETURNING a.sending_since IS NOT DISTINCT FROM now(), a.count, a.opened_at
$$;
COMMENT ON FUNCTION report_alert IS
    'Records a report of an alert. The caller must send the alert if the result''s column claimed is true, which happens at most once per hour.';

CREATE OR REPLACE FUNCTION close_alerts(closing_fingerprint text, recovered text, told text) RETURNS integer LANGUAGE sql AS $$
    WITH better AS (
        UPDATE oncall_alerts a
        SET affects = array_remove(a.affects, recovered)
        WHERE a.closed_at IS NULL AND a.fingerprint <> coalesce(left(closing_fingerprint, 500), '') AND recovered = ANY (a.affects)
          AND cardinality(array_remove(a.affects, recovered)) > 0
    ), closed AS (
        UPDATE oncall_alerts a
        SET closed_at = now(), affects = '{}', sending_since = NULL,
            -- If an alert opened again within an hour and was not sent again, do not send the recovery message either.
            recovery = CASE WHEN a.last_sent_at IS NULL OR a.last_sent_at >= a.opened_at
                              OR a.last_sent_at < now() - interval '1 hour' THEN told END
        WHERE a.closed_at IS NULL
          AND (a.fingerprint = left(closing_fingerprint, 500)
               OR recovered = ANY (a.affects) AND cardinality(array_remove(a.affects, recovered)) = 0)
        RETURNING 1
    )
    SELECT count(*)::integer FROM closed
$$;
COMMENT ON FUNCTION close_alerts IS
    'Closes the alert for a cause, and alerts whose last affected DAG or feed has recovered. '
    'Returns the number of closed alerts.';

CREATE OR REPLACE FUNCTION claim_untold_alerts() RETURNS SETOF oncall_alerts LANGUAGE sql AS $$
    UPDATE oncall_alerts a
    SET sending_since = now()
    WHERE (a.recovery IS NOT NULL
           OR a.closed_at IS NULL
          AND (a.last_sent_at IS NULL OR a.last_sent_at < a.opened_at AND a.last_sent_at < now() - interval '1 hour'))
      AND (a.sending_since IS NULL OR a.sending_since < now() - interval '2 minutes')
    RETURNING a.*
$$;
COMMENT ON FUNCTION claim_untold_alerts IS
    'Claims the alerts and recovery messages that no on-call address has accepted yet; the caller must send them.';

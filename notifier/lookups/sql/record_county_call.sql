-- Record the cost of a call to the county's API and the remaining units. Returns the alert levels that the balance has
-- just crossed. Answers may arrive out of order, so the balance must rise well above a level before it can cross the
-- level again.
WITH logged AS (
    INSERT INTO miami_dade_api_logs (query_type, query_params, units_consumed, remaining_balance, response_status,
                                     records_returned, triggered_by, subscriber_id)
    SELECT 'FOLIO', jsonb_build_object('FOLIO_NUMBER', l.folio_number), CASE WHEN %(give_back)s THEN 0 ELSE 1 END,
           %(balance)s::integer, %(status)s, %(records)s, 'subscriber_query', l.subscriber_id
    FROM lookups l WHERE l.id = %(id)s
), given_back AS (
    UPDATE api_unit_budget b SET used = b.used - 1
    FROM lookups l WHERE %(give_back)s AND l.id = %(id)s AND b.day = l.asked_on AND b.used > 0
), given_back_to_subscriber AS (
    UPDATE subscriber_unit_budget s SET used = s.used - 1
    FROM lookups l
    WHERE %(give_back)s AND l.id = %(id)s AND s.day = l.asked_on AND s.subscriber_id = l.subscriber_id AND s.used > 0
)
UPDATE api_balance_levels v
SET is_below = NOT v.is_below, crossings = v.crossings + CASE WHEN v.is_below THEN 0 ELSE 1 END
WHERE CASE WHEN v.is_below THEN %(balance)s::integer >= v.below + 50 ELSE %(balance)s::integer < v.below END
RETURNING v.below, v.severity, v.is_below, v.crossings

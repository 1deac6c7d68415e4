-- Hold the tokens of an inbound call; is_held is false when the balance is too small.
SELECT %(id)s::bigint = ANY (coalesce(hold_tokens(ARRAY[%(id)s]::bigint[]), '{}')) AS is_held

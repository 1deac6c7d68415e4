-- Hold the tokens for an inbound call. is_held is false if the balance is too low.
SELECT %(id)s::bigint = ANY (coalesce(hold_tokens(ARRAY[%(id)s]::bigint[]), '{}')) AS is_held

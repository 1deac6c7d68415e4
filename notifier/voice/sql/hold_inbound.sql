SELECT %(id)s::bigint = ANY (coalesce(hold_tokens(ARRAY[%(id)s]::bigint[]), '{}')) AS is_held

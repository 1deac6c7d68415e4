-- Set the limits of a search for the rest of the transaction.
SELECT set_config('statement_timeout', %(timeout)s, true), set_config('enable_seqscan', 'off', true),
       set_config('jit', 'off', true), set_config('plan_cache_mode', 'force_custom_plan', true),
       set_config('work_mem', '32MB', true), set_config('max_parallel_workers_per_gather', '0', true)

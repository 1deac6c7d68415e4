-- Functions that pause and resume a queue, for the command line and for the operators' pages.

CREATE OR REPLACE FUNCTION check_pause(queue text, actor text, reason text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF queue = 'admin-alerts' THEN
        RAISE invalid_parameter_value
            USING MESSAGE = 'the queue admin-alerts cannot be paused, because on-call must stay reachable';
    ELSIF queue IS NULL OR queue <> 'api-property-lookup' AND queue NOT IN (SELECT queue_name FROM delivery_kinds) THEN
        RAISE invalid_parameter_value USING MESSAGE = format('there is no queue %s', coalesce(quote_literal(queue), 'NULL'));
    ELSIF coalesce(actor, '') !~ '\S' THEN
        RAISE invalid_parameter_value USING MESSAGE = 'say who pauses or resumes the queue';
    ELSIF coalesce(reason, '') !~ '\S' THEN
        RAISE invalid_parameter_value USING MESSAGE = 'give a reason';
    END IF;
END $$;
COMMENT ON FUNCTION check_pause IS
    'Raises invalid_parameter_value if the queue does not exist or cannot be paused, or if the actor or reason is blank.';

CREATE OR REPLACE FUNCTION pause_queue(queue text, actor text, reason text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM check_pause(queue, actor, reason);
    INSERT INTO lane_pauses (queue_name, paused_by, reason) VALUES (queue, actor, pause_queue.reason)
        ON CONFLICT (queue_name) DO NOTHING;
    IF FOUND THEN
        PERFORM record_pause_action('pause', queue, actor, reason);
        RETURN true;
    END IF;
    RETURN false;
END $$;
COMMENT ON FUNCTION pause_queue IS
    'Pauses a queue, so that no worker claims its deliveries or lookups, and records the action in operator_actions. '
    'Returns false and changes nothing if the queue is already paused.';

CREATE OR REPLACE FUNCTION resume_queue(queue text, actor text, reason text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM check_pause(queue, actor, reason);
    DELETE FROM lane_pauses WHERE queue_name = queue;
    IF FOUND THEN
        PERFORM record_pause_action('resume', queue, actor, reason);
        RETURN true;
    END IF;
    RETURN false;
END $$;
COMMENT ON FUNCTION resume_queue IS
    'Resumes a paused queue and records the action in operator_actions. '
    'The leader wakes the queue''s workers within about a second. Returns false if the queue is not paused.';

CREATE OR REPLACE FUNCTION record_pause_action(action text, queue text, actor text, reason text) RETURNS void
LANGUAGE sql AS $$
    INSERT INTO operator_actions (actor, action, object_type, rows, done, changed, reason, parameters, state, finished_at)
    VALUES (actor, action, 'queue', 1, 1, 1, reason, jsonb_build_object('queue', queue), 'done', now())
$$;

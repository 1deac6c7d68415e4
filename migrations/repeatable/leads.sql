-- The trigger that keeps a run from reopening a lead that a person closed.

CREATE OR REPLACE FUNCTION leads_keep_decision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.reopens_as := NULL;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION leads_keep_decision IS
    'Sets reopens_as to null when a person changes the status, so that no run reopens the lead. A run that changes the status also changes reopens_as, so the trigger does not fire.';

CREATE OR REPLACE TRIGGER leads_keep_decision BEFORE UPDATE OF status ON leads FOR EACH ROW
    WHEN (OLD.reopens_as IS NOT NULL AND NEW.reopens_as IS NOT DISTINCT FROM OLD.reopens_as)
    EXECUTE FUNCTION leads_keep_decision();

-- Events that arrive before the delivery has stored the provider's id.

CREATE OR REPLACE FUNCTION link_early_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE delivery_events SET delivery_id = NEW.id
    WHERE provider_id = NEW.provider_id AND delivery_id IS NULL AND applied_at IS NULL AND provider <> 'sendgrid';
    RETURN NULL;
END $$;
COMMENT ON FUNCTION link_early_events IS
    'Links events to the delivery that has just stored their provider id. The notifier applies them within a second.';

CREATE OR REPLACE TRIGGER deliveries_link_early_events AFTER UPDATE OF provider_id ON deliveries FOR EACH ROW
    -- All e-mails in a request share one id.
    WHEN (NEW.channel <> 'email' AND NEW.provider_id IS NOT NULL AND NEW.provider_id IS DISTINCT FROM OLD.provider_id)
    EXECUTE FUNCTION link_early_events();

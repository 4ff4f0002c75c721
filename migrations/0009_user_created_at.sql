-- The users of a hotel or a role, in the order in which they were made, come off one index, however many there are. For
-- that an assignment knows when its user was made. Whoever leaves it out (the release before, a person with psql) has it
-- filled in. What was there before is filled in by the next migration, which takes
-- longer.
ALTER TABLE user_hotels ADD COLUMN user_created_at timestamptz;
ALTER TABLE user_roles ADD COLUMN user_created_at timestamptz;

-- Looks past the policies, as principal_hotels() does: a new user without hotels is not in its maker's sight yet.
CREATE FUNCTION fill_in_user_created_at() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    principal constant text := coalesce(current_setting('app.principal', true), '');
BEGIN
    PERFORM set_config('app.principal', 'system', true);
    SELECT created_at INTO NEW.user_created_at FROM public.users WHERE id = NEW.user_id;
    PERFORM set_config('app.principal', principal, true);
    -- Nobody of this id: the foreign key says so, in words that are understood.
    NEW.user_created_at := coalesce(NEW.user_created_at, '-infinity');
    RETURN NEW;
END
$$;
CREATE FUNCTION follow_user_created_at() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    principal constant text := coalesce(current_setting('app.principal', true), '');
BEGIN
    PERFORM set_config('app.principal', 'system', true);
    UPDATE public.user_hotels SET user_created_at = NEW.created_at WHERE user_id = NEW.id;
    UPDATE public.user_roles SET user_created_at = NEW.created_at WHERE user_id = NEW.id;
    PERFORM set_config('app.principal', principal, true);
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION fill_in_user_created_at(), follow_user_created_at() FROM PUBLIC;
CREATE TRIGGER fill_in BEFORE INSERT ON user_hotels FOR EACH ROW WHEN (NEW.user_created_at IS NULL)
    EXECUTE FUNCTION fill_in_user_created_at();
CREATE TRIGGER fill_in BEFORE INSERT ON user_roles FOR EACH ROW WHEN (NEW.user_created_at IS NULL)
    EXECUTE FUNCTION fill_in_user_created_at();
CREATE TRIGGER fill_in_anew BEFORE UPDATE OF user_id ON user_hotels FOR EACH ROW EXECUTE FUNCTION fill_in_user_created_at();
CREATE TRIGGER fill_in_anew BEFORE UPDATE OF user_id ON user_roles FOR EACH ROW EXECUTE FUNCTION fill_in_user_created_at();
CREATE TRIGGER follow_created_at AFTER UPDATE OF created_at ON users FOR EACH ROW
    WHEN (OLD.created_at IS DISTINCT FROM NEW.created_at) EXECUTE FUNCTION follow_user_created_at();

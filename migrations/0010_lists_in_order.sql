-- Lists that come off an index in their own order. This is the migration that takes time where there are many users:
-- until its last lines everything is read as before, and changes of assignments, users and sessions wait.
SELECT set_config('app.principal', 'system', true);
UPDATE user_hotels SET user_created_at = users.created_at FROM users WHERE users.id = user_hotels.user_id;
UPDATE user_roles SET user_created_at = users.created_at FROM users WHERE users.id = user_roles.user_id;
CREATE INDEX idx_user_hotels_staff ON user_hotels (hotel_id, user_created_at, user_id);
CREATE INDEX idx_user_roles_holders ON user_roles (role_id, user_created_at, user_id);

-- What few users are is found without going over all of them, in the same order.
CREATE INDEX idx_users_everywhere ON users (created_at, id) WHERE hotel_scope = 'ALL';
CREATE INDEX idx_users_inactive ON users (created_at, id) WHERE NOT active;
CREATE INDEX idx_users_unverified ON users (created_at, id) WHERE NOT email_verified;
CREATE INDEX idx_users_locked ON users (locked_until) WHERE locked_until IS NOT NULL;
CREATE INDEX idx_user_sessions_address ON user_sessions (ip_address, created_at, id) WHERE ip_address IS NOT NULL;
CREATE INDEX idx_user_sessions_revoked ON user_sessions (created_at, id) WHERE revoked;

-- Searching for a part of a name or an address. The extension ships with PostgreSQL, and whoever owns the database may
-- create it.
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE INDEX idx_users_search ON users USING gin (search_text gin_trgm_ops);

-- Last, because they lock out readers, too. The new indexes find by hotel and by role as those before them did.
ALTER TABLE user_hotels ALTER COLUMN user_created_at SET NOT NULL;
ALTER TABLE user_roles ALTER COLUMN user_created_at SET NOT NULL;
DROP INDEX idx_user_hotels_hotel;
DROP INDEX idx_user_roles_role;

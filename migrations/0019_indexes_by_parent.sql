-- no-transaction
-- What many have in common, one neighbour may have most of: a list of one parent comes off an index that begins with it.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_user_sessions_of_user ON user_sessions (user_id, created_at, id);

-- Sessions that are over, by when they ended: those that were kept long enough come first.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_user_sessions_over ON user_sessions (least(expires_at, revoked_at)) WHERE NOT active;

-- Of a user's sessions few are revoked as a rule, and a list of those few is not to go over all of them.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_user_sessions_of_user_revoked ON user_sessions (user_id, created_at, id) WHERE revoked;

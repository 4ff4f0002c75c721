-- Every API key has an end. Those that were made without one get a year from now, and stand in lists with it.
SELECT set_config('app.principal', 'system', true);
UPDATE api_keys SET expires_at = now() + interval '1 year' WHERE expires_at IS NULL AND revoked_at IS NULL;

-- The four built-in roles. Their ids are fixed, so that they are the same on every installation.
SELECT set_config('app.principal', 'system', true);

INSERT INTO roles (id, name, display_name, description, permissions, system) VALUES
    ('01900000-0000-7000-8000-000000000001', 'SYSTEM_ADMIN', 'System administrator', 'May do everything, everywhere.',
     ARRAY['call:end', 'call:manage', 'call:start', 'call:view', 'hotel:create', 'hotel:delete', 'hotel:update',
           'hotel:view', 'system:admin', 'system:config', 'system:monitor', 'user:create', 'user:delete',
           'user:update', 'user:view'], true),
    ('01900000-0000-7000-8000-000000000002', 'HOTEL_ADMIN', 'Hotel administrator',
     'Runs hotels: their calls, settings and staff.',
     ARRAY['call:end', 'call:manage', 'call:start', 'call:view', 'hotel:update', 'hotel:view', 'user:create',
           'user:update', 'user:view'], true),
    ('01900000-0000-7000-8000-000000000003', 'HOTEL_STAFF', 'Hotel staff', 'Works with the calls of a hotel.',
     ARRAY['call:start', 'call:view', 'hotel:view'], true),
    ('01900000-0000-7000-8000-000000000004', 'GUEST_USER', 'Guest', 'May look at calls.',
     ARRAY['call:view'], true)
ON CONFLICT (name) DO NOTHING;

-- The network that a session was begun from: by it a device is known again whose address changes within it, as those of IPv6
-- do. Sessions from before have none, and are compared by their address.
ALTER TABLE user_sessions ADD COLUMN ip_network text COLLATE "C";

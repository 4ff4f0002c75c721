-- The same text in the same bytes: Unicode's Normalization Form C, as it is stored from here on. Locks no more than the few
-- rows that it changes. Where two accounts have one address, only in other bytes, the one that has it in this form already
-- keeps it, else the older one; the others stay as they are, and `voicehive users audit-names` lists them.
SELECT set_config('app.principal', 'system', true);
DO $$
BEGIN
    IF getdatabaseencoding() <> 'UTF8' THEN
        RETURN;
    END IF;
    UPDATE users u SET email = normalize(email, NFC)
     WHERE email IS NOT NFC NORMALIZED
       AND NOT EXISTS (SELECT 1 FROM users other WHERE other.email = normalize(u.email, NFC))
       AND NOT EXISTS (SELECT 1 FROM users other WHERE other.id < u.id AND other.email IS NOT NFC NORMALIZED
                          AND normalize(other.email, NFC) = normalize(u.email, NFC));
    UPDATE users SET first_name = normalize(first_name, NFC), last_name = normalize(last_name, NFC)
     WHERE first_name IS NOT NFC NORMALIZED OR last_name IS NOT NFC NORMALIZED;
    UPDATE roles SET display_name = normalize(display_name, NFC), description = normalize(description, NFC)
     WHERE display_name IS NOT NFC NORMALIZED OR description IS NOT NFC NORMALIZED;
    UPDATE hotels SET name = normalize(name, NFC), brand = normalize(brand, NFC), city = normalize(city, NFC),
                      address = normalize(address, NFC)
     WHERE name IS NOT NFC NORMALIZED OR brand IS NOT NFC NORMALIZED OR city IS NOT NFC NORMALIZED OR address IS NOT NFC NORMALIZED;
END
$$;

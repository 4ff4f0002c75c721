use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::*;

/// Hashes of this password, as other systems' own programs wrote them at a low cost.
pub const PASSWORD: &str = "harbour lamp";
pub const HASHES: [(&str, &str); 32] = [
    ("passlib 1.7.4", "$pbkdf2-sha256$1200$yjkHgFAqpbSWkjIGoBQipA$7P4BsM3hWO2RkeA5ls0bGiGtBF4.t68ZuXIC.GAxGpE"),
    ("passlib 1.7.4", "$pbkdf2$1200$bq2VkrK2dk7p/b83BiCkdA$GQn3WmfZUq/KcpxJ1QsmvmykZI8"),
    (
        "passlib 1.7.4",
        "$pbkdf2-sha512$1200$UWrt/X8vJWTs/X9Pac3Z2w$rQP/LbMvgAP.qNlyBMm4FnsN3ROFHSplAmkg8uqU4heucrytzV2oAZFCoR1AOfIEtcc13rLKaO6cph7nMyJ4mA",
    ),
    ("passlib 1.7.4", "$P$6qXH4M7hxbryCKfHWpi6vkLz643iGY/"),
    ("passlib 1.7.4", "$H$6zVFGk6lW2Df55xCc4bzdL39Guj4rf/"),
    ("passlib 1.7.4", "$5$rounds=1200$Wbvf5SYLZtJUAxzO$xRmzgI0bXr2gKtpZqcDd7kb6ZyYpH.ua7mwU3RGrOOB"),
    (
        "passlib 1.7.4",
        "$6$rounds=1200$r9tJAZjDKEBmoM7d$z0VNWh6rl9iUkb9E3Z65CjOUNElEfGrSCsC3ZD46TnHMovi6RqxML2bpfoSWUuVCM8IcJYPOPZwWPu/nrpX4I1",
    ),
    ("passlib 1.7.4", "$5$sF/WoYSVfq1VMlLU$lsk8rmLdA/hBy.zAiG1K.3tUQ80r7YPX82VP8gaNjD9"),
    ("passlib 1.7.4", "{SSHA}p+1xXwFKLDiBH/uZ/9I54aLSZMtXilEq"),
    ("passlib 1.7.4", "{SSHA256}cNPHWAyO2z8B/3O7ajk6kAUUzvDcZzs8/HnLk+vvplK1ljLmXAsBYA=="),
    (
        "passlib 1.7.4",
        "{SSHA512}vEtbNCePM7E0y3rLfNv9hVLPKyD7elEYgcQjtUbjrtoByzcKYf0DqqKYZ6HXYjTobV41Evdb4icFcrcoIQxlIvN+LwXAeG8N",
    ),
    ("passlib 1.7.4", "$bcrypt-sha256$v=2,t=2b,r=4$UhY98wvBMkFDj5.pwnNcOe$dz3NJ3dtjFu9mk88NCpYPYpExgOSH.S"),
    ("passlib 1.7.4", "$bcrypt-sha256$2b,4$n/f93C8EChUz2qYRGgll6.$8dozFUacAlmzLHKJDKsQ5wiQa5Gd.6i"),
    ("passlib 1.7.4", "$scrypt$ln=4,r=8,p=1$xRiDcO49J4SQ8n5PiREipA$BZJ3+DdOqYwUy01Rf6HwaQRkH3wrElyJBkhLgb90poI"),
    (
        "Werkzeug 3.1.9",
        "scrypt:1024:8:1$AKfjJQniST7LtwJr$cd2c55b2215d37a7f269c3bf980cddc4471e823da941d63367797e6c9fdcd993288325d93ef6c8f35d08295f7e174a6a73a6f58cc411378c5649954b1748abed",
    ),
    (
        "Werkzeug 3.1.9",
        "pbkdf2:sha512:1200$jvRlAsO9taHK04bZ$acf6cd8a51d4c1c2f3a825424eed19de34ec4c8c9cb3b61879fc406aec315090cac17b4c6881d6d29e21642ccfec5fa5c2c5b6a3cfa99ef449f2a59e221fe080",
    ),
    (
        "Werkzeug 3.1.9",
        "pbkdf2:sha256:1200$T3PQg4EF3sRyZngX$fb0ad44da4493ca3ea3aefc555fb87ae4d883c4745f86794b0dbd8f9ed2f36bb",
    ),
    (
        "Django 5.2.19",
        "scrypt$1024$pepperandsalt$8$5$9j58WPf8Ko7IKjzO5gDHXIj8aXZAGbs5HHxhBUBTmieFebzP+zwhaH3qm9AbYGFmUKXFwqE/N858Ltn1dNIlhA==",
    ),
    ("Django 5.2.19", "bcrypt_sha256$$2b$04$eELvba7fF3B9dsQ1qXJQg.hMkqCdKCT7es1no7u5Rrekl8XhISEJC"),
    ("Django 5.2.19", "bcrypt$$2b$04$TaYdyzWek84Wn39VyVbv6erhTLU3nayD3vOvM5nrUUTM3oSYai1M2"),
    (
        "Django 5.2.19",
        "argon2$argon2id$v=19$m=1024,t=1,p=1$aUY0dklsR21MOEE3QjlsVTRBbm5RQQ$fGpEGRMkeXK+f5MANawtLAB4kfxbpin+KfndppMhEUg",
    ),
    ("Django 5.2.19", "pbkdf2_sha256$1200$pepperandsalt$yQY+FJmY9DBjSQlDXwpVm7xLoj5SGrrg+2RhbTK98SM="),
    ("Django 5.2.19", "pbkdf2_sha1$1200$pepperandsalt$Xh9PSXPtdJJgHZ5Djx4B5R2fQ1s="),
    // As wp_hash_password() of WordPress 6.8 calls password_hash() and hash_hmac().
    ("PHP 8.2.36", "$wp$2y$04$Igp86rjs/XM3fYpgfxP.ruq67WsdqNDW002/iRDIGDvv1pZQFiknC"),
    ("PHP 8.2.36", "$2y$04$F6xn3FfrEc.U672nm4u0..L4mMzhPIFT0MheBMaXalzdS2VnD7PJa"),
    (
        "PHP 8.2.36",
        "$6$pepperandsalt$yUUmAkQGFe.1ZKdc1WWe3vREP1UIm/B6pGLB2aQs20yTEo9f4sVI3WwTNAnq29wL/5jNGOdYsD1R/ZoVRppN81",
    ),
    ("PHP 8.2.36", "$5$rounds=1200$pepperandsalt$xhMwkV.kOCRoIeMGIufG0CIpS8DiK.MGNid7cjFWTMC"),
    ("argon2-cffi", "$argon2id$v=19$m=1024,t=1,p=1$Lnb1YIyQv6+1uMNDgIp84Q$FXEm3vPVIUkPyD3b5vdDjhN9vOotxF18SWvek9ByUL4"),
    // As Keycloak's realm exports are rewritten: 64 bytes of SHA-256 are two blocks. By Python's hashlib and argon2-cffi.
    (
        "Keycloak's parameters",
        "$pbkdf2-sha256$i=1200,l=64$cGVwcGVyYW5kc2FsdDEyMw$EkLKOyOrVCqpx8xcvSFjPkWVdmhB0cVSsipAHTGpe2iOZGWcTae9z5pmuGW7t0wW5TE1EXe2N9VdFDWJLCliBA",
    ),
    (
        "Keycloak's parameters",
        "$pbkdf2-sha512$i=1200,l=64$cGVwcGVyYW5kc2FsdDEyMw$B0REb2I6krGlN49dFxYrLA0QifV7ZCQcz9IqDH5gUMtaAujjL5NxDPDAQzFauRpMjwi2y9gZ0BNBOWrGfaanLA",
    ),
    (
        "Keycloak's parameters",
        "$argon2id$v=19$m=7168,t=5,p=1$cGVwcGVyYW5kc2FsdDEyMw$AQTTM+eugKSCX9I7MbjzgXlGeUTY1ddeZhQD92dKHWY",
    ),
    // What `firebase()` makes of firebase-scrypt's.
    (
        "firebase-scrypt 2.2.0",
        "$firebase-scrypt$ln=4,r=8,p=1$c2FsdGFuZHBlcHBlcgc$dJo1XlA35LeIBqrpMhu63en4C6U/6AKX61gl7flqBjY",
    ),
];

/// A project's parameters, its salt and what firebase-scrypt 2.2.0 of npm made of the password.
const FIREBASE: (&str, &str, &str) = (
    "g/AoXlxrahGTWJAHak6rcQE7oXBP343lmM19gTE3E0ErP14ZuI+u/XTzTn6tH+bjLHqnV9GNeLkn2tuDg3wltQ==",
    "c2FsdGFuZHBlcHBlcg==",
    "92odAAxcjqYbXjruWFURrOjDqtVwN49yc5VYbMhdFXfPlkLcgXUB6vqkE5ada0PnaudWlzw6P9vRp4JC/rhImQ==",
);

fn firebase(mem_cost: u8) -> FirebaseParameters {
    let signer_key = Zeroizing::new(decode(FIREBASE.0).expect("base64"));
    FirebaseParameters { signer_key, salt_separator: vec![7], rounds: 8, mem_cost }
}

#[test]
fn what_other_systems_wrote_is_checked() {
    for (program, text) in HASHES {
        assert!(is_known(text), "{program}: {text}");
        // Argon2 is checked by the workers.
        if let Some(hash) = ForeignHash::read(text) {
            assert!(hash.verify(PASSWORD), "{program}: {text}");
            for wrong in ["harbour lamps", "Harbour lamp", "harbour lamp ", ""] {
                assert!(!hash.verify(wrong), "{program}: {text} of {wrong:?}");
            }
        }
    }
}

#[test]
fn firebases_hash_is_kept_without_the_projects_key() {
    let kept = firebase(4).hash(FIREBASE.1, FIREBASE.2).expect("a hash");
    assert!(ForeignHash::read(&kept).is_some_and(|hash| hash.verify(PASSWORD)), "{kept}");
    assert!(HASHES.iter().any(|(_, text)| *text == kept), "{kept}");
    let usual = "Har+jasCnIi4YlNwcEue0FcwCNOaxq3GpH3D/KCNPGt2BF7c55hHi9TauPxaPV4g6BeSczSWiH0/Vzv2qB07TQ==";
    let kept = firebase(14).hash(FIREBASE.1, usual).expect("a hash");
    let hash = ForeignHash::read(&kept).expect("a known hash");
    assert!(hash.verify(PASSWORD) && !hash.verify("harbour lamps"), "{kept}");
    for (salt, hash) in [("", ""), ("c2FsdA==", "AAAA"), ("?", FIREBASE.2), (FIREBASE.1, "?")] {
        assert_eq!(firebase(4).hash(salt, hash), None, "{salt} {hash}");
    }
}

#[test]
fn what_cannot_be_checked_or_costs_too_much_is_not_known() {
    let hash = "A".repeat(43);
    let long = format!("$pbkdf2-sha256$1000${}${hash}", "A".repeat(600));
    for text in [
        "",
        "admin123",
        "!",
        "!AaOqICG0KYfO0wmRdGY9eLAovYAKdv5HbhUhepQK",
        "5f4dcc3b5aa765d61d8327deb882cf99",
        "md5$salt$5f4dcc3b5aa765d61d8327deb882cf99",
        "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
        "{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
        "{SSHA}",
        "{CRYPT}$6$x",
        "$1$salt$qJH7.N4xYta3aEG/dfqo/0",
        "$2b$12$short",
        "$2x$04$TaYdyzWek84Wn39VyVbv6erhTLU3nayD3vOvM5nrUUTM3oSYai1M2",
        "$2b$03$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ0123.",
        "$2b$16$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ0123.",
        "$2b$31$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ0123.",
        "$2b$+4$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ0123.",
        "bcrypt_sha256$$2b$31$eELvba7fF3B9dsQ1qXJQg.hMkqCdKCT7es1no7u5Rrekl8XhISEJC",
        "$bcrypt-sha256$v=2,t=2b,r=31$UhY98wvBMkFDj5.pwnNcOe$dz3NJ3dtjFu9mk88NCpYPYpExgOSH.S",
        "$wp$2y$31$Igp86rjs/XM3fYpgfxP.ruq67WsdqNDW002/iRDIGDvv1pZQFiknC",
        "$argon2id$v=18$m=19456,t=2,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=19456,t=4294967295,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=262145,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=262144,t=5,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=19456,t=2,p=1$$",
        "$scrypt$ln=1$abc$def",
        &format!("$scrypt$ln=19,r=8,p=1$c2FsdA${hash}"),
        &format!("$scrypt$ln=17,r=8,p=8$c2FsdA${hash}"),
        &format!("$scrypt$ln=63,r=4294967295,p=4294967295$c2FsdA${hash}"),
        &format!("$scrypt$ln=0,r=8,p=1$c2FsdA${hash}"),
        &format!("$scrypt$ln=4,r=0,p=1$c2FsdA${hash}"),
        &format!("$scrypt$ln=4,r=8,p=0$c2FsdA${hash}"),
        &format!("$firebase-scrypt$ln=20,r=8,p=1$c2FsdA${hash}"),
        &format!("scrypt:1000:8:1$salt${}", "ab".repeat(32)),
        "$5$rounds=999$Wbvf5SYLZtJUAxzO$xRmzgI0bXr2gKtpZqcDd7kb6ZyYpH.ua7mwU3RGrOOB",
        "$5$rounds=700001$Wbvf5SYLZtJUAxzO$xRmzgI0bXr2gKtpZqcDd7kb6ZyYpH.ua7mwU3RGrOOB",
        "$5$rounds=999999999$Wbvf5SYLZtJUAxzO$xRmzgI0bXr2gKtpZqcDd7kb6ZyYpH.ua7mwU3RGrOOB",
        "$5$Wbvf5SYLZtJUAxzO$xRmzgI0bXr2gKtp",
        "$P$zqXH4M7hxbryCKfHWpi6vkLz643iGY/",
        "$P$JqXH4M7hxbryCKfHWpi6vkLz643iGY/",
        "$P$6qXH4M7hxbryCKfHWpi6vkLz643iGY",
        &format!("$pbkdf2-sha256$0$c2FsdA${hash}"),
        &format!("$pbkdf2-sha256$5000001$c2FsdA${hash}"),
        &format!("$pbkdf2-sha1$3000000$c2FsdA${hash}"),
        &format!("$pbkdf2-sha256$1000$${hash}"),
        "pbkdf2:sha256:1000$salt$abc",
        "pbkdf2:sha256:1000$salt$zz",
        &format!("$pbkdf2-md5$1000$c2FsdA${hash}"),
        &format!("$pbkdf2-sha256$1000$c2FsdA${hash}$more"),
        "$pbkdf2-sha256$1000$c2FsdA$AAAA",
        &long,
    ] {
        assert!(!is_known(text), "{text}");
    }
}

/// The dearest of each scheme, with the longest password: none may hold a worker.
#[test]
fn what_is_known_can_be_afforded() {
    let hash = "A".repeat(43);
    let password = "x".repeat(1024);
    // This build is not optimised where a server's is, and the machine may be busy: the bound is only of another order
    // than what an unbounded cost would take.
    for text in [
        "$2b$15$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ0123.",
        &format!("$scrypt$ln=18,r=8,p=2$c2FsdA${hash}"),
        &format!("$scrypt$ln=1,r=1,p=1024$c2FsdA${hash}"),
        &format!("$pbkdf2-sha256$5000000$c2FsdA${hash}"),
        "$5$rounds=700000$Wbvf5SYLZtJUAxzO$xRmzgI0bXr2gKtpZqcDd7kb6ZyYpH.ua7mwU3RGrOOB",
        "$P$IqXH4M7hxbryCKfHWpi6vkLz643iGY/",
    ] {
        let known = ForeignHash::read(text).expect(text);
        let began = Instant::now();
        assert!(!known.verify(&password));
        assert!(began.elapsed() < Duration::from_mins(1), "{text}: {:?}", began.elapsed());
    }
}

/// A hash with each of its characters gone or another one, and cut off anywhere.
pub fn broken(text: &str) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    let mut broken = Vec::new();
    for place in 0..characters.len() {
        let (before, rest) = characters.split_at(place);
        let before: String = before.iter().collect();
        let after: String = rest.iter().skip(1).collect();
        broken.push(before.clone());
        broken.push(format!("{before}{after}"));
        broken.extend(['$', '9', '\u{0}', 'ß'].map(|other| format!("{before}{other}{after}")));
    }
    broken
}

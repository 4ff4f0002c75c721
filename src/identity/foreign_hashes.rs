//! Password hashes of other systems: which are taken in, and how PBKDF2 is checked. bcrypt and argon2 are checked where
//! our own are.

use std::num::NonZeroU32;

use argon2::Params;
use argon2::password_hash::phc::PasswordHash;
use aws_lc_rs::pbkdf2;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

/// The most memory a stored argon2 hash may ask for, in KiB. One that asks for more was not made by any sane system.
pub const MAX_MEMORY_KIB: u32 = 1024 * 1024;
/// The most rounds a stored hash may ask for: some ten times what is advised today (OWASP, 2023: 600,000 of SHA-256).
const MAX_ROUNDS: u32 = 10_000_000;
/// The highest cost of a bcrypt hash: a second or so.
const MAX_BCRYPT_COST: u32 = 16;

/// A PBKDF2 hash, in one of its two text forms: `$pbkdf2-sha256$29000$salt$hash`, also with `i=29000,l=32` in the place of
/// the rounds, and `pbkdf2_sha256$600000$salt$hash`, where the salt is the text itself.
pub struct Pbkdf2 {
    algorithm: pbkdf2::Algorithm,
    rounds: NonZeroU32,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl Pbkdf2 {
    /// None where the text is no such hash, or asks for too much.
    pub fn read(text: &str) -> Option<Self> {
        let (encoded, rest) = match text.strip_prefix("$pbkdf2-") {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix("pbkdf2_")?),
        };
        let mut parts = rest.split('$');
        let [algorithm, rounds, salt, hash] = [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
        let algorithm = match algorithm {
            "sha1" => pbkdf2::PBKDF2_HMAC_SHA1,
            "sha256" => pbkdf2::PBKDF2_HMAC_SHA256,
            "sha512" => pbkdf2::PBKDF2_HMAC_SHA512,
            _ => return None,
        };
        let rounds = rounds.strip_prefix("i=").map_or(rounds, |rest| rest.split(',').next().unwrap_or_default());
        let rounds = rounds.parse().ok().filter(|rounds| *rounds <= MAX_ROUNDS).and_then(NonZeroU32::new)?;
        let salt = if encoded { decode(salt)? } else { salt.as_bytes().to_vec() };
        let hash = decode(hash)?;
        let whole = parts.next().is_none() && !salt.is_empty() && (16..=64).contains(&hash.len());
        whole.then_some(Self { algorithm, rounds, salt, hash })
    }

    pub fn verify(&self, password: &str) -> bool {
        pbkdf2::verify(self.algorithm, self.rounds, &self.salt, password.as_bytes(), &self.hash).is_ok()
    }
}

/// Base64 with or without padding; some write "." for "+".
fn decode(text: &str) -> Option<Vec<u8>> {
    let text = text.replace('.', "+");
    if text.ends_with('=') { STANDARD.decode(text).ok() } else { STANDARD_NO_PAD.decode(text).ok() }
}

/// Whether a password can be checked against this hash.
#[must_use]
pub fn is_known(hash: &str) -> bool {
    if hash.len() > 512 {
        return false;
    }
    if let Some(rest) = ["$2a$", "$2b$", "$2y$"].iter().find_map(|prefix| hash.strip_prefix(prefix)) {
        let cost = rest.get(..2).and_then(|cost| cost.parse().ok()).unwrap_or(u32::MAX);
        return cost <= MAX_BCRYPT_COST && hash.parse::<bcrypt::HashParts>().is_ok();
    }
    if hash.starts_with("$argon2") {
        return PasswordHash::new(hash).is_ok_and(|parsed| {
            argon2::Algorithm::try_from(parsed.algorithm.as_str()).is_ok()
                && parsed.salt.is_some()
                && parsed.hash.is_some()
                && Params::try_from(&parsed).is_ok_and(|params| params.m_cost() <= MAX_MEMORY_KIB)
        });
    }
    Pbkdf2::read(hash).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_other_systems_wrote_is_checked() {
        let hash = |rounds: u32, salt: &[u8], bytes: usize| {
            let mut hash = vec![0; bytes];
            let rounds = NonZeroU32::new(rounds).unwrap();
            pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, salt, b"harbour lamp", &mut hash);
            hash
        };
        let encode = |bytes: &[u8]| STANDARD_NO_PAD.encode(bytes);
        let passlib = format!("$pbkdf2-sha256$29$YS5i${}", encode(&hash(29, b"a.b", 32))).replace('+', ".");
        let phc = format!("$pbkdf2-sha256$i=30,l=32$c2FsdA${}", encode(&hash(30, b"salt", 32)));
        let django = format!("pbkdf2_sha256$31$pepper${}", STANDARD.encode(hash(31, b"pepper", 32)));
        for text in [passlib, phc, django] {
            assert!(is_known(&text), "{text}");
            let read = Pbkdf2::read(&text).unwrap();
            assert!(read.verify("harbour lamp") && !read.verify("harbour lamps"), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_checked_is_not_taken_in() {
        let hash = "A".repeat(43);
        for text in [
            "",
            "admin123",
            "5f4dcc3b5aa765d61d8327deb882cf99",
            "$2b$12$short",
            "$2b$31$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ0123.",
            "$argon2id$v=19$m=19456,t=2,p=1$$",
            "$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "$scrypt$ln=1$abc$def",
            &format!("$pbkdf2-sha256$0$c2FsdA${hash}"),
            &format!("$pbkdf2-sha256$10000001$c2FsdA${hash}"),
            &format!("$pbkdf2-sha256$1000$${hash}"),
            &format!("$pbkdf2-md5$1000$c2FsdA${hash}"),
            &format!("$pbkdf2-sha256$1000$c2FsdA${hash}$more"),
            "$pbkdf2-sha256$1000$c2FsdA$AAAA",
        ] {
            assert!(!is_known(text), "{text}");
        }
    }
}

//! What an API key looks like: `vhh_`, forty random letters and digits, and six that follow from the rest.
//!
//! The first part and the last are there for scanners, which find keys in public places by their form and tell them from
//! text that only looks like one. (As GitHub's tokens do: "Behind GitHub's new authentication token formats", 2021.) The
//! server itself looks at neither, so that whatever is sent takes the same way.

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{Error, Result};

const START: &str = "vhh_";
/// 62^40 keys: 238 bits.
const RANDOM: usize = 40;
const CHECK: usize = 6;
/// Characters of a key that are shown, to recognise it by.
const SHOWN: usize = 12;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A new key.
pub(super) fn new() -> Result<Zeroizing<String>> {
    let mut key = Zeroizing::new(String::with_capacity(START.len() + RANDOM + CHECK));
    key.push_str(START);
    while key.len() < START.len() + RANDOM {
        let mut bytes = Zeroizing::new([0_u8; 64]);
        getrandom::fill(bytes.as_mut()).map_err(|error| Error::Internal(error.to_string()))?;
        // As many bytes for each character: 248 is the largest multiple of 62.
        let characters = bytes.iter().filter(|byte| **byte < 248).map(|byte| character(u32::from(*byte)));
        let missing = START.len() + RANDOM - key.len();
        key.extend(characters.take(missing));
    }
    let check = check(&key);
    key.push_str(&check);
    Ok(key)
}

/// What stands for the key in the database. Its randomness makes a slow hash needless.
pub(super) fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key).into()
}

/// The first characters.
pub(super) fn prefix(key: &str) -> String {
    key.chars().take(SHOWN).collect()
}

fn character(number: u32) -> char {
    ALPHABET.get(number as usize % ALPHABET.len()).map_or('0', |byte| char::from(*byte))
}

/// The CRC-32 (ISO 3309) of the rest, in base 62 with the last digit last.
fn check(rest: &str) -> String {
    let mut number = crc32fast::hash(rest.as_bytes());
    let mut digits = ['0'; CHECK];
    for digit in digits.iter_mut().rev() {
        *digit = character(number);
        number /= 62;
    }
    digits.iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_new_each_time_and_can_be_told_from_other_text() {
        let keys: Vec<_> = (0..200).map(|_| new().unwrap()).collect();
        for key in &keys {
            assert_eq!((key.len(), &key[..4], prefix(key).as_str()), (50, "vhh_", &key[..12]));
            assert!(key[4..].bytes().all(|byte| ALPHABET.contains(&byte)));
            assert_eq!(check(&key[..44]), key[44..]);
        }
        let distinct: std::collections::HashSet<_> = keys.iter().map(|key| &key[4..44]).collect();
        assert_eq!(distinct.len(), keys.len());
        let used: std::collections::HashSet<_> = keys.iter().flat_map(|key| key[4..44].chars()).collect();
        assert_eq!(used.len(), 62, "every character comes up");
        // CRC-32 of "123456789" is 0xcbf43926 = 3421780262.
        assert_eq!(check("123456789"), "3jZRME");
    }
}

//! Which passwords people may choose: long enough, not a common one, and not their own name or email address. There are
//! no rules on the kinds of characters; they make passwords harder to remember and no harder to guess (NIST SP 800-63B).

use std::collections::HashSet;
use std::sync::LazyLock;

use passwords::analyzer::is_common_password;

use super::password_file::PasswordFile;
use super::passwords::{MAX_BYTES, prepared};
use super::{Refusal, RefusalCode};

const MIN_CHARACTERS: usize = 8;

/// Shorter words are too much of any password to be held against it.
const MIN_WORD: usize = 4;

/// Words of this trade and of its languages, beside the hundred thousand that the `passwords` crate has.
static OURS: LazyLock<HashSet<&str>> = LazyLock::new(|| include_str!("common_passwords.txt").lines().collect());

/// The rules of one installation.
#[derive(Default)]
pub struct PasswordRules {
    /// A larger list of common passwords.
    pub file: Option<PasswordFile>,
}

/// Whom a password is for.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a> {
    pub email: &'a str,
    pub first_name: Option<&'a str>,
    pub last_name: Option<&'a str>,
}

impl PasswordRules {
    /// Refuses a password that this person must not choose; `field` is the input's.
    pub fn check(&self, password: &str, owner: Owner<'_>, field: &'static str) -> Result<(), Refusal> {
        let refuse = |problem: &str| Err(Refusal::new(RefusalCode::WeakPassword, field, problem));
        if password.len() > MAX_BYTES {
            return refuse("The password is too long: use at most 1,024 bytes.");
        }
        // What counts is what is hashed.
        let password = &*prepared(password);
        if password.chars().count() < MIN_CHARACTERS {
            return refuse("The password is too short: use at least 8 characters.");
        }
        if password.len() > MAX_BYTES {
            return refuse("The password is too long: use at most 1,024 bytes.");
        }
        if password.contains('\0') {
            return Err(Refusal::new(
                RefusalCode::InvalidValue,
                field,
                "The password must not contain a NUL character.",
            ));
        }
        let lower = password.to_lowercase();
        if is_common(&lower) || self.is_in_file(password) || self.is_in_file(&lower) {
            return refuse("The password is one of those that are guessed first: choose another.");
        }
        if is_own(&lower, owner) {
            return refuse("The password is your name or email address: choose another.");
        }
        Ok(())
    }

    /// A list that cannot be read any more must not keep people from changing their passwords.
    fn is_in_file(&self, password: &str) -> bool {
        let Some(file) = &self.file else { return false };
        file.holds(password).unwrap_or_else(|error| {
            tracing::warn!(%error, "common_passwords_not_read");
            false
        })
    }
}

/// On the list, as it is or with digits and signs around it (`password123!`), or nothing but one character.
fn is_common(lower: &str) -> bool {
    let mut characters = lower.chars();
    let first = characters.next();
    let is_listed = |word: &str| word.len() >= MIN_WORD && (OURS.contains(word) || is_common_password(word));
    is_listed(lower) || is_listed(core(lower)) || characters.all(|character| Some(character) == first)
}

fn is_own(lower: &str, owner: Owner<'_>) -> bool {
    let local_part = owner.email.split('@').next().unwrap_or_default();
    let first = owner.first_name.unwrap_or_default().to_lowercase();
    let last = owner.last_name.unwrap_or_default().to_lowercase();
    let squeezed: String = core(lower).chars().filter(|character| character.is_alphanumeric()).collect();
    [owner.email, local_part, &first, &last, &format!("{first}{last}"), &format!("{last}{first}")]
        .iter()
        .map(|own| own.chars().filter(|character| character.is_alphanumeric()).collect::<String>())
        .any(|own| own.chars().count() >= 3 && (own == squeezed || lower == own))
}

/// Without the digits and signs at either end.
fn core(lower: &str) -> &str {
    lower.trim_matches(|character: char| !character.is_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_people_may_and_may_not_choose() {
        let owner =
            Owner { email: "maria.lindqvist@hotel1.com", first_name: Some("Maria"), last_name: Some("Lindqvist") };
        let long = "ab".repeat(512);
        let too_long = format!("{long}a");
        let good = ["harbour lamp nine", "zx81-spectrum", "ÄÖÜäöüßé", "mariachi-band", long.as_str()];
        let rules = PasswordRules::default();
        for password in good {
            assert!(rules.check(password, owner, "newPassword").is_ok(), "{password}");
        }
        let weak = [
            "short77",
            "ÄÖÜäöüß",
            "a\u{308}o\u{308}u\u{308}e\u{308}",
            "password\u{a0}123",
            too_long.as_str(),
            "password",
            "PassWord",
            "Password123!",
            "12345678",
            "qwertyuiop",
            "aaaaaaaaaaaa",
            "maria.lindqvist@hotel1.com",
            "Maria.Lindqvist",
            "Lindqvist1",
            "lindqvistmaria99",
            "Maria2026",
            "iloveyou!!",
            "********",
            "Concierge!",
            "1qaz2wsx3edc",
        ];
        for password in weak {
            let refusal = rules.check(password, owner, "newPassword").expect_err(password);
            assert_eq!((refusal.code, refusal.field), (RefusalCode::WeakPassword, Some("newPassword")), "{password}");
        }
        let refusal = rules.check("good enough\0", owner, "newPassword").unwrap_err();
        assert_eq!(refusal.code, RefusalCode::InvalidValue);
    }

    #[test]
    fn the_list_is_ready_to_be_compared_with() {
        // At least ten thousand of them long enough to be chosen, says the promise; the crate does not let them be counted.
        for word in ["zxcvbnm123", "liverpool1", "sunshine12", "basketball", "michelle1", "charlie123", "q1w2e3r4t5"] {
            assert!(is_common(word), "{word}");
        }
        for word in OURS.iter() {
            assert_eq!(*word, word.to_lowercase().trim(), "lower case, no spaces around it");
        }
    }
}

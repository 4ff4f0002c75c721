//! What people may write into the fields of users, roles and hotels. Each check returns the value as it is stored.

use std::collections::HashSet;
use std::hash::Hash;

use chrono::{DateTime, Datelike, Utc};
use email_address::{EmailAddress, Options};
use serde_json::Value;

use super::lookalikes::{odd_in_email, odd_in_text};
use super::permissions::PERMISSIONS;
use super::{Failure, Refusal, RefusalCode};
use crate::text::{nfc, with_ascii_spaces};

/// The longest lists that one call takes.
pub(super) const MAX_USERS: usize = 1000;
pub(super) const MAX_ROLES_OR_HOTELS: usize = 100;
const MAX_CONFIG_BYTES: usize = 16 * 1024;

/// A field of an update.
#[derive(Default)]
pub enum Edit<T> {
    /// It stays as it is.
    #[default]
    Keep,
    Clear,
    Set(T),
}

impl<T> Edit<T> {
    pub(super) fn is_kept(&self) -> bool {
        matches!(self, Self::Keep)
    }

    /// What `check` makes of what is given, be that nothing; None where the field stays as it is.
    pub(super) fn given<U>(self, check: impl FnOnce(Option<T>) -> U) -> Option<U> {
        match self {
            Self::Keep => None,
            Self::Clear => Some(check(None)),
            Self::Set(value) => Some(check(Some(value))),
        }
    }
}

/// Everything that is wrong with an input, gathered so that a form can show it all at once.
#[derive(Default)]
pub(super) struct Problems(Vec<Refusal>);

impl Problems {
    /// The value; an empty one where there is a problem, which [`Problems::settle`] then tells.
    pub fn check<T: Default>(&mut self, checked: Result<T, Refusal>) -> T {
        checked.unwrap_or_else(|refusal| {
            self.0.push(refusal);
            T::default()
        })
    }

    /// Ends here where something was wrong. Values are good after this.
    pub fn settle(self) -> Result<(), Failure> {
        if self.0.is_empty() { Ok(()) } else { Err(Failure::Refused(self.0)) }
    }
}

fn invalid<T>(field: &'static str, message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::new(RefusalCode::InvalidValue, field, message))
}

/// An email address as it is stored: trimmed, in lower case, in NFC, its domain in Unicode; None where it can be nobody's.
/// Lengths and grammar are those of RFC 5321 and RFC 6531, without display names, quotes and address literals.
pub(super) fn stored_email(text: &str) -> Option<String> {
    // Looked at as it was given: the domain's rules would drop some of these without a word.
    let (local, domain) = text.trim().rsplit_once('@').filter(|_| !text.contains(is_unseen))?;
    // The same domain can be written in two alphabets, and must not make two accounts.
    let (domain, valid) = idna::domain_to_unicode(domain);
    valid.ok()?;
    let ascii = idna::domain_to_ascii_strict(&domain).ok()?;
    let email = format!("{}@{domain}", nfc(&local.to_lowercase()));
    let fits = local.len() <= 64 && ascii.len() <= 253 && email.len() <= 254;
    let options = Options::default().without_display_text().without_domain_literal().with_required_tld();
    // Quoted local parts are allowed by the standards, and by nobody's mail server.
    (fits && !local.contains(['"', '\\']) && EmailAddress::parse_with_options(&email, options).is_ok()).then_some(email)
}

/// The address that a user is to have: none that can be taken for another one.
pub(super) fn email(field: &'static str, text: &str) -> Result<String, Refusal> {
    let Some(email) = stored_email(text) else {
        return invalid(field, "This is no email address: it looks like name@example.com.");
    };
    odd_in_email(&email).map_or(Ok(email), |odd| invalid(field, odd))
}

/// Characters that cannot be seen, and those that turn the direction of what follows.
fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn text(field: &'static str, text: &str, max: usize) -> Result<String, Refusal> {
    let text = with_ascii_spaces(text);
    let text = nfc(text.trim());
    if text.chars().count() > max {
        return invalid(field, format!("This is too long: at most {max} characters."));
    }
    odd_in_text(&text).map_or_else(|| Ok(text.into_owned()), |odd| invalid(field, odd))
}

/// A value that can be left out, but not be null.
pub(super) fn not_null<T>(field: &'static str, value: Option<T>) -> Result<T, Refusal> {
    value.map_or_else(|| invalid(field, "This cannot be cleared: leave it out, or give a value."), Ok)
}

/// A text that must be there, trimmed; at most `max` characters.
pub(super) fn required(field: &'static str, given: &str, max: usize) -> Result<String, Refusal> {
    let trimmed = text(field, given, max)?;
    if trimmed.is_empty() { invalid(field, "This must not be empty.") } else { Ok(trimmed) }
}

/// A text that may be left empty, which is none.
pub(super) fn optional(field: &'static str, given: Option<&str>, max: usize) -> Result<Option<String>, Refusal> {
    Ok(text(field, given.unwrap_or_default(), max)?).map(|text| (!text.is_empty()).then_some(text))
}

/// A role's name.
pub(super) fn role_name(field: &'static str, name: &str) -> Result<String, Refusal> {
    let mut characters = name.chars();
    let good = characters.next().is_some_and(|first| first.is_ascii_uppercase())
        && (2..=63).contains(&name.len())
        && characters.all(|character| character.is_ascii_uppercase() || character.is_ascii_digit() || character == '_');
    if good {
        return Ok(name.to_owned());
    }
    invalid(field, "A role's name is upper snake case, such as NIGHT_AUDITOR, with 2 to 63 characters.")
}

/// Permissions that the service knows, each once; sorted.
pub(super) fn permissions(field: &'static str, given: &[String]) -> Result<Vec<String>, Refusal> {
    let known = |permission: &String| PERMISSIONS.iter().any(|(name, _)| name == permission);
    if let Some(unknown) = given.iter().find(|permission| !known(permission)) {
        let shown: String = unknown.chars().take(50).collect();
        return invalid(field, format!("There is no permission {shown:?}: the query `permissions` lists them."));
    }
    let mut sorted = distinct(field, given, PERMISSIONS.len(), true)?;
    sorted.sort_unstable();
    Ok(sorted)
}

/// A hotel's id in its property-management system.
pub(super) fn pms_hotel_id(field: &'static str, id: &str) -> Result<String, Refusal> {
    let fits = (1..=100).contains(&id.len()) && id.trim() == id && odd_in_text(id).is_none();
    if fits { Ok(id.to_owned()) } else { invalid(field, "A PMS hotel id has 1 to 100 bytes, and no spaces around it.") }
}

/// The kind of property-management system, in lower case.
pub(super) fn pms_type(field: &'static str, given: &str) -> Result<String, Refusal> {
    let lower = given.trim().to_lowercase();
    let word = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.');
    let good = (1..=50).contains(&lower.len()) && lower.chars().all(word);
    if good {
        Ok(lower)
    } else {
        invalid(field, "A PMS type is one word of at most 50 letters, such as apaleo or mews.")
    }
}

/// A country, upper case; an empty text is none.
pub(super) fn country(field: &'static str, given: Option<&str>) -> Result<Option<String>, Refusal> {
    let Some(code) = given.map(|code| code.trim().to_uppercase()).filter(|code| !code.is_empty()) else {
        return Ok(None);
    };
    if COUNTRIES.split(' ').any(|country| country == code) {
        return Ok(Some(code));
    }
    invalid(field, "There is no such country: give its ISO 3166-1 code of two letters, such as DE.")
}

/// PMS settings: an object of bounded size, or none.
pub(super) fn pms_config(field: &'static str, given: Option<&Value>) -> Result<Option<Value>, Refusal> {
    match given {
        None | Some(Value::Null) => Ok(None),
        Some(config @ Value::Object(_)) if config.to_string().len() <= MAX_CONFIG_BYTES => Ok(Some(config.clone())),
        Some(Value::Object(_)) => invalid(field, "The settings are too large: at most 16 KiB."),
        Some(_) => invalid(field, "The settings are an object: {\"key\": value, ...}."),
    }
}

/// An instant that has not come yet and can be told, or none.
pub(super) fn future(field: &'static str, given: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Result<(), Refusal> {
    match given {
        Some(instant) if instant <= now => invalid(field, "This has passed already."),
        // An offset may carry it past what RFC 3339 can write.
        Some(instant) if instant.year() > 9999 => invalid(field, "This lies after the year 9999 in UTC."),
        _ => Ok(()),
    }
}

/// A list in which nothing stands twice, and not more than `max` of it.
pub(super) fn distinct<T: Eq + Hash + Clone>(
    field: &'static str,
    given: &[T],
    max: usize,
    may_be_empty: bool,
) -> Result<Vec<T>, Refusal> {
    if given.len() > max {
        return invalid(field, format!("This names {}; one call takes at most {max}.", given.len()));
    }
    if given.is_empty() && !may_be_empty {
        return invalid(field, "This must name at least one.");
    }
    let mut seen = HashSet::new();
    if given.iter().all(|item| seen.insert(item)) {
        Ok(given.to_vec())
    } else {
        invalid(field, "This names one twice.")
    }
}

/// The officially assigned codes of ISO 3166-1 alpha-2, as of 2024.
const COUNTRIES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS \
    BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ \
    FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT \
    JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP \
    MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE \
    RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV \
    TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn email_addresses_as_they_are_stored() {
        let local = "a".repeat(64);
        let label = "b".repeat(63);
        let longest = format!("{local}@{label}.{label}.{}.de", "c".repeat(58));
        assert_eq!(longest.len(), 254);
        let good = [
            ("  Maria@Hotel1.COM ", "maria@hotel1.com"),
            ("o'neil+test_1@sub.example.co", "o'neil+test_1@sub.example.co"),
            ("küche@hotel.example", "küche@hotel.example"),
            ("anna@Bücher.example", "anna@bücher.example"),
            ("anna@xn--bcher-kva.example", "anna@bücher.example"),
            ("user@例え.jp", "user@例え.jp"),
            ("Ku\u{308}che@hotel.example", "küche@hotel.example"),
            ("KU\u{308}CHE@hotel.example", "küche@hotel.example"),
            (longest.as_str(), longest.as_str()),
        ];
        for (given, stored) in good {
            assert_eq!(stored_email(given).as_deref(), Some(stored), "{given}");
        }
        let too_long = format!("{local}@{label}.{label}.{}.de", "c".repeat(59));
        let bad = [
            "",
            "maria",
            "@hotel.com",
            "maria@",
            "maria@hotel",
            "maria@@hotel.com",
            "a@b@hotel.com",
            "Maria <maria@hotel.com>",
            "<maria@hotel.com>",
            "\"maria\"@hotel.com",
            "maria@[10.0.0.1]",
            "maria @hotel.com",
            "maria\u{0}@hotel.com",
            "maria\n@hotel.com",
            "maria\u{202e}x@hotel.com",
            "maria@hot\u{200b}el.com",
            ".maria@hotel.com",
            "maria.@hotel.com",
            "ma..ria@hotel.com",
            "maria@-hotel.com",
            "maria@hotel..com",
            "maria@hotel.com.",
            "maria@ho_tel.com",
            &format!("{local}a@hotel.com"),
            &format!("maria@{label}b.com"),
            too_long.as_str(),
        ];
        for given in bad {
            assert_eq!(stored_email(given), None, "{given:?}");
        }
    }

    #[test]
    fn texts_are_trimmed_and_bounded() {
        assert_eq!(required("name", " Grand Hôtel ", 11).unwrap(), "Grand Hôtel");
        assert_eq!(optional("name", Some("  "), 5).unwrap(), None);
        assert_eq!(optional("name", None, 5).unwrap(), None);
        assert_eq!(optional("name", Some("ünïcö"), 5).unwrap().as_deref(), Some("ünïcö"));
        assert_eq!(optional("name", Some("u\u{308}nï\u{a0}o\u{308}"), 5).unwrap().as_deref(), Some("ünï ö"));
        for bad in ["", " \t ", "abcdef", "a\nb", "a\u{0}b", "a\u{7f}", "a\u{202e}b", "a\u{200b}b", "a\u{2066}"] {
            let refusal = required("name", bad, 5).expect_err(bad);
            assert_eq!((refusal.code, refusal.field), (RefusalCode::InvalidValue, Some("name")), "{bad:?}");
        }
    }

    #[test]
    fn words_of_their_own_kinds() {
        for name in ["OK", "NIGHT_AUDITOR", "A1", &"A".repeat(63)] {
            assert!(role_name("name", name).is_ok(), "{name}");
        }
        for name in ["", "A", "_A", "1A", "Night", "NIGHT AUDITOR", "NIGHT-AUDITOR", "ÄB", &"A".repeat(64)] {
            assert!(role_name("name", name).is_err(), "{name}");
        }
        assert_eq!(country("country", Some(" de")).unwrap().as_deref(), Some("DE"));
        assert_eq!(country("country", Some("")).unwrap(), None);
        for code in ["XX", "DEU", "D", "DE FR", " ", "ZZ", "UK", "EU"].into_iter().filter(|code| *code != " ") {
            assert!(country("country", Some(code)).is_err(), "{code}");
        }
        assert_eq!(COUNTRIES.split(' ').collect::<HashSet<_>>().len(), 249);
        assert_eq!(pms_type("pmsType", " Mews ").unwrap(), "mews");
        assert!(pms_type("pmsType", "two words").is_err() && pms_type("pmsType", "").is_err());
        for id in ["", " a", "a ", "a\nb", "a\u{3164}", &"x".repeat(101)] {
            assert!(pms_hotel_id("pmsHotelId", id).is_err(), "{id:?}");
        }
        assert_eq!(pms_hotel_id("pmsHotelId", "hotel-001").unwrap(), "hotel-001");
    }

    #[test]
    fn instants_to_come_can_be_told() {
        let at = |text: &str| DateTime::parse_from_rfc3339(text).unwrap().to_utc();
        let now = at("2026-01-01T00:00:00Z");
        for good in [
            None,
            Some(at("2026-01-01T00:00:01Z")),
            Some(at("9999-12-31T23:59:59Z")),
            Some(at("9999-12-31T23:59:59+01:00")),
        ] {
            assert!(future("expiresAt", good, now).is_ok(), "{good:?}");
        }
        for bad in
            ["2026-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:30:00-01:00", "9999-12-31T23:59:59-00:01"]
        {
            let refusal = future("expiresAt", Some(at(bad)), now).expect_err(bad);
            assert_eq!((refusal.code, refusal.field), (RefusalCode::InvalidValue, Some("expiresAt")), "{bad}");
        }
    }

    #[test]
    fn lists_and_settings() {
        let given = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(permissions("p", &given(&["user:view", "call:end"])).unwrap(), ["call:end", "user:view"]);
        assert!(permissions("p", &[]).is_ok());
        for bad in [given(&["user:fly"]), given(&[""]), given(&["user:view", "user:view"]), given(&["USER:VIEW"])] {
            assert!(permissions("p", &bad).is_err(), "{bad:?}");
        }
        assert!(distinct("users", &[1, 2], 2, false).is_ok() && distinct::<u8>("users", &[], 2, true).is_ok());
        for bad in [vec![], vec![1, 1], vec![1, 2, 3]] {
            assert!(distinct("users", &bad, 2, false).is_err(), "{bad:?}");
        }
        assert_eq!(pms_config("c", Some(&json!(null))).unwrap(), None);
        assert!(pms_config("c", Some(&json!({"a": [1]}))).is_ok());
        for bad in [json!("secret"), json!([1]), json!(7), json!({"a": "x".repeat(MAX_CONFIG_BYTES)})] {
            assert!(pms_config("c", Some(&bad)).is_err());
        }
    }
}

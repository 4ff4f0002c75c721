//! Names and addresses that pass for others: characters that cannot be seen, and letters that look like those of another
//! alphabet (Unicode Technical Standard #39). Names may be of any script; an address, by which an account is known, keeps
//! to the level that the standard calls highly restrictive.

use icu_normalizer::properties::CanonicalCombiningClassMapBorrowed;
use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory, Script};
use icu_properties::{CodePointMapData, CodePointSetData};
use unicode_security::confusable_detection::skeleton;
use unicode_security::{GeneralSecurityProfile, RestrictionLevel, RestrictionLevelDetection};

/// The most marks that stand on one letter in any language.
const MOST_MARKS: usize = 4;
const VIRAMA: u8 = 9;

/// What must not stand in a name or another text, in words for who wrote it; None where all is well.
pub(super) fn odd_in_text(text: &str) -> Option<String> {
    let mut marks = 0;
    let mut previous = None;
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        let category = category(character);
        marks = if category == GeneralCategory::NonspacingMark { marks + 1 } else { 0 };
        if marks > MOST_MARKS {
            return Some(format!("This has more than {MOST_MARKS} marks on one letter: leave some out."));
        }
        let next = rest.clone().next();
        if is_invisible(character, category) && !joins(previous, character, next) {
            return Some(format!(
                "This holds U+{:04X}, which cannot be seen or has no meaning: leave it out.",
                u32::from(character)
            ));
        }
        previous = Some(character);
    }
    None
}

/// What must not stand in an account's address, which is in its stored form.
pub(super) fn odd_in_email(email: &str) -> Option<String> {
    if email.is_ascii() {
        return None;
    }
    let (local, domain) = email.rsplit_once('@').unwrap_or((email, ""));
    // Among addresses of another alphabet its letters are themselves, and stand for no others.
    let among_ascii = domain.rsplit('.').next().is_none_or(str::is_ascii);
    std::iter::once(local).chain(domain.split('.')).find_map(|part| odd_in_part(part, among_ascii))
}

/// A local part, or a label of a domain.
fn odd_in_part(part: &str, among_ascii: bool) -> Option<String> {
    let mut other = part.chars().filter(|character| !character.is_ascii());
    if let Some(unfit) = other.clone().find(|character| !character.identifier_allowed()) {
        return Some(format!("This address holds U+{:04X}, which addresses have no use for.", u32::from(unfit)));
    }
    let letters: String =
        part.chars().filter(|character| !character.is_ascii() || character.is_ascii_alphanumeric()).collect();
    if letters.as_str().detect_restriction_level() > RestrictionLevel::HighlyRestrictive {
        return Some("This address mixes letters of several alphabets: write each part in one.".to_owned());
    }
    if among_ascii && other.clone().next().is_some() && other.all(looks_like_ascii) {
        return Some("This address looks like another one in plain letters: write it in those.".to_owned());
    }
    None
}

/// What two addresses have in common that can be taken for each other.
pub(super) fn looks(email: &str) -> String {
    skeleton(email).collect()
}

fn looks_like_ascii(character: char) -> bool {
    let mut buffer = [0; 4];
    let mut looks = skeleton(character.encode_utf8(&mut buffer));
    matches!((looks.next(), looks.next()), (Some(only), None) if only.is_ascii())
}

fn category(character: char) -> GeneralCategory {
    CodePointMapData::<GeneralCategory>::new().get(character)
}

fn is_invisible(character: char, category: GeneralCategory) -> bool {
    // A pattern of no dots, which has the category of those that have some.
    const BLANK_BRAILLE: char = '\u{2800}';
    matches!(
        category,
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::Unassigned
            | GeneralCategory::PrivateUse
            | GeneralCategory::Surrogate
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
    ) || character == BLANK_BRAILLE
        || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(character)
}

/// The two joiners change how the letters around them look, and are part of names in Persian, Sinhala or Malayalam: after a
/// virama, and between letters of Arabic.
fn joins(previous: Option<char>, character: char, next: Option<char>) -> bool {
    let Some(previous) = previous.filter(|_| matches!(character, '\u{200c}' | '\u{200d}')) else { return false };
    let script = |of| CodePointMapData::<Script>::new().get(of);
    let between_arabic = next.is_some_and(|next| script(next) == Script::Arabic)
        && matches!(script(previous), Script::Arabic | Script::Inherited);
    between_arabic || CanonicalCombiningClassMapBorrowed::new().get_u8(previous) == VIRAMA
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_any_script_are_names() {
        for name in [
            "Özlem Åberg",
            "ΜΑΡΊΑ",
            "Łukasz",
            "İstanbul",
            "Đặng Thị Ngọc",
            "O’Brien",
            "李",
            "山田 太郎",
            "김민수",
            "สมชาย ใจดี",
            "علی\u{200c}رضا",
            "श्री राम",
            "ക്‍ഷ",
            "שָׁלוֹם",
            "Ғабит",
            "ທ້າວ",
            "ᏣᎳᎩ",
            "Cafe\u{301}",
            "Anna-Lena 2.",
        ] {
            assert_eq!(odd_in_text(name), None, "{name}");
        }
        for (odd, name) in [
            ("200B", "a\u{200b}b"),
            ("200C", "Ma\u{200c}ria"),
            ("200D", "\u{200d}x"),
            ("3164", "ceo\u{3164}"),
            ("115F", "\u{115f}"),
            ("00AD", "Ma\u{ad}ria"),
            ("202E", "a\u{202e}b"),
            ("2066", "a\u{2066}"),
            ("061C", "a\u{61c}"),
            ("E0041", "a\u{e0041}"),
            ("FE0F", "a\u{fe0f}"),
            ("2800", "\u{2800}"),
            ("E000", "\u{e000}"),
            ("0378", "\u{378}"),
            ("FFFF", "\u{ffff}"),
            ("2028", "a\u{2028}"),
            ("0000", "a\u{0}"),
            ("034F", "a\u{34f}b"),
            ("180E", "a\u{180e}b"),
        ] {
            let told = odd_in_text(name).expect(odd);
            assert!(told.contains(&format!("U+{odd},")), "{told}");
        }
        assert!(odd_in_text("Z\u{300}\u{301}\u{302}\u{303}\u{304}").is_some_and(|told| told.contains("marks")));
    }

    #[test]
    fn addresses_that_pass_for_others() {
        for email in [
            "ceo@hotel1.com",
            "küche@hotel.example",
            "anna@bücher.example",
            "łukasz.nowak+1@hotel.pl",
            "læge@hotel.dk",
            "user@例え.jp",
            "иван@пример.рф",
            "иван@hotel1.com",
            "сара@пример.рф",
            "山田taro@hotel.jp",
            "김민수@hotel.kr",
        ] {
            assert_eq!(odd_in_email(email), None, "{email}");
        }
        for (email, reason) in [
            ("ceo\u{3164}@hotel1.com", "U+3164"),
            ("c\u{435}o@hotel1.com", "alphabets"),
            ("\u{441}\u{435}\u{43e}@hotel1.com", "looks like"),
            ("adm\u{131}n@hotel1.com", "looks like"),
            ("ceo@h\u{43e}tel1.com", "alphabets"),
            ("ceo@\u{441}\u{430}\u{440}\u{430}.com", "looks like"),
            ("\u{ff43}eo@hotel1.com", "U+FF43"),
            ("somchai.สมชาย@hotel.th", "alphabets"),
            ("ceo\u{1f600}@hotel1.com", "U+1F600"),
        ] {
            let told = odd_in_email(email).expect(email);
            assert!(told.contains(reason), "{email}: {told}");
        }
        assert_eq!(looks("\u{441}\u{435}\u{43e}@hotel1.com"), looks("ceo@hotel1.com"));
    }
}

//! Unicode text in one form. The same text can be written in several sequences of code points (macOS takes letters and
//! accents apart, other systems do not), and must be the same name, address and password. [`folding`] has the form in which
//! it is searched.

pub mod folding;

use std::borrow::Cow;

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::CodePointMapData;
use icu_properties::props::GeneralCategory;

/// Normalization Form C: canonically equivalent texts become equal, and nothing else does. NFKC would make one of texts
/// that people tell apart, such as full-width and other letters, and of passwords fewer.
pub fn nfc(text: &str) -> Cow<'_, str> {
    ComposingNormalizerBorrowed::new_nfc().normalize(text)
}

/// Every space that Unicode has (category Zs), as the one of ASCII.
pub fn with_ascii_spaces(text: &str) -> Cow<'_, str> {
    if !text.contains(is_other_space) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|character| if is_other_space(character) { ' ' } else { character }).collect())
}

/// A letter of a script without upper and lower case, of which one may be a word.
pub fn may_be_a_word(character: char) -> bool {
    CodePointMapData::<GeneralCategory>::new().get(character) == GeneralCategory::OtherLetter
}

fn is_other_space(character: char) -> bool {
    !character.is_ascii()
        && CodePointMapData::<GeneralCategory>::new().get(character) == GeneralCategory::SpaceSeparator
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_has_one_form() {
        let pairs = [
            ("Cafe\u{301}", "Café"),
            ("A\u{30a}berg", "Åberg"),
            ("\u{212b}ngstro\u{308}m", "Ångström"),
            ("\u{1100}\u{1175}\u{11b7}", "김"),
            ("เ\u{e01}\u{e48}\u{e38}", "เ\u{e01}\u{e38}\u{e48}"),
        ];
        for (given, expected) in pairs {
            assert_eq!(nfc(given), expected, "{given}");
        }
        for kept in ["Łukasz", "Ｍａｒｉａ", "ﬁ", "½", "李"] {
            assert_eq!(nfc(kept), kept);
        }
        assert_eq!(with_ascii_spaces("a\u{a0}b\u{3000}c d\te"), "a b c d\te");
    }
}

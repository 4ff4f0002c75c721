//! Text as it is searched: without upper case and accents, the same here and in the database. `search_key()` of the
//! migrations folds what is stored, by a table that is read from there, so that there is one; a test holds both ways equal
//! for every character.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::nfc;

const MIGRATION: &str = include_str!("../../migrations/0013_text_keys.sql");
/// Of a code point in base 16. Those of hexadecimal digits are in names, too, which would be found by them.
const DIGITS: [char; 16] = ['A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', 'P'];

/// What each character becomes that does not stay as it is. A test says that it can be read.
static FOLDINGS: LazyLock<HashMap<char, String>> = LazyLock::new(|| {
    let table = MIGRATION.split("$folding$").nth(1).unwrap_or_default();
    let table: HashMap<String, String> = serde_json::from_str(table).unwrap_or_default();
    table.into_iter().filter_map(|(character, folded)| Some((character.chars().next()?, folded))).collect()
});

/// As `search_key()` says it: folded, and what is not ASCII then as its code point in letters that folded text never has.
pub fn search_key(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let mut key = String::with_capacity(text.len());
    for character in nfc(text).chars() {
        match FOLDINGS.get(&character) {
            Some(folded) => folded.chars().for_each(|character| push(&mut key, character)),
            None => push(&mut key, character),
        }
    }
    key
}

fn push(key: &mut String, character: char) {
    let code = u32::from(character);
    let (first, digits) = match code {
        0..128 => return key.push(character),
        128..0x1_0000 => ('U', 4),
        _ => ('V', 6),
    };
    key.push(first);
    let digit = |place| DIGITS.get((code >> (4 * place)) as usize % DIGITS.len());
    key.extend((0..digits).rev().filter_map(digit));
}

/// The words of what is looked for, each as it stands in a search key; none where nothing is left of it. A comma ends a word: so
/// people write the last name first.
pub fn search_words(text: &str) -> Vec<String> {
    let key = search_key(text);
    let words = key.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use icu_casemap::CaseMapper;
    use icu_normalizer::properties::CanonicalCombiningClassMapBorrowed;
    use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};
    use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory};
    use icu_properties::{CodePointMapData, CodePointSetData};

    use super::*;

    /// Letters and signs that Unicode does not take apart, and what they are beside it.
    const APART: [(&str, &str); 32] = [
        ("łƚɫ", "l"),
        ("đɖɗð", "d"),
        ("øɵ", "o"),
        ("ħɦ", "h"),
        ("ŧƭʈⱦ", "t"),
        ("æ", "ae"),
        ("œ", "oe"),
        ("þ", "th"),
        ("ıɨɩ", "i"),
        ("ŋɲƞ", "n"),
        ("ƀɓƃ", "b"),
        ("ƈȼɕ", "c"),
        ("ɇ", "e"),
        ("ƒ", "f"),
        ("ǥɠ", "g"),
        ("ɉʝ", "j"),
        ("ƙⱪ", "k"),
        ("ɱ", "m"),
        ("ƥᵽ", "p"),
        ("ʠɋ", "q"),
        ("ɍɼɽɾ", "r"),
        ("ʂȿ", "s"),
        ("ʉ", "u"),
        ("ʋⱱ", "v"),
        ("ⱳ", "w"),
        ("ƴɏ", "y"),
        ("ƶȥⱬʐʑ", "z"),
        ("ĸ", "k"),
        ("ⱥ", "a"),
        ("ȡ", "d"),
        ("\u{2018}\u{2019}\u{201b}\u{2bb}\u{2bc}\u{2bd}\u{2b9}\u{2032}\u{ff07}\u{b4}", "'"),
        ("\u{2010}\u{2011}\u{2012}\u{2013}\u{2014}\u{2212}\u{ff0d}", "-"),
    ];

    /// Marks that stand on letters everywhere, and the points of Hebrew and Arabic. Those that make another letter of one, as
    /// in Japanese and the scripts of India, stay.
    fn is_left_out(character: char) -> bool {
        matches!(CanonicalCombiningClassMapBorrowed::new().get_u8(character), 1 | 10..=36 | 200..)
            || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(character)
    }

    /// What a character becomes by the data of Unicode.
    fn folded(character: char) -> String {
        let category = CodePointMapData::<GeneralCategory>::new().get(character);
        let by_compatibility = u32::from(character) < 0x1_0000
            && (character.is_alphanumeric() || category == GeneralCategory::SpaceSeparator);
        let decomposed = if by_compatibility {
            DecomposingNormalizerBorrowed::new_nfkd()
        } else {
            DecomposingNormalizerBorrowed::new_nfd()
        };
        let apart = |character: char| APART.iter().find(|(letters, _)| letters.contains(character));
        let mut text = character.to_string();
        loop {
            let kept: String =
                decomposed.normalize(&text).chars().filter(|character| !is_left_out(*character)).collect();
            let plain: String = CaseMapper::new()
                .fold_string(&kept)
                .chars()
                .map(|character| {
                    apart(character).map_or_else(|| character.to_string(), |(_, plain)| (*plain).to_owned())
                })
                .collect();
            if plain == text {
                return text;
            }
            text = plain;
        }
    }

    #[test]
    fn the_table_is_what_unicode_says_of_each_character() {
        let nfc = ComposingNormalizerBorrowed::new_nfc();
        let category = CodePointMapData::<GeneralCategory>::new();
        for character in '\u{1}'..=char::MAX {
            let text = character.to_string();
            let is_composed_elsewhere = nfc.normalize(&text) != text || ('\u{ac00}'..='\u{d7a3}').contains(&character);
            if category.get(character) == GeneralCategory::Unassigned || is_composed_elsewhere {
                continue;
            }
            let expected = folded(character);
            let found = FOLDINGS.get(&character).map_or(text.as_str(), String::as_str);
            // What a later Unicode adds takes a migration with a new table, and a column filled anew by it.
            assert_eq!(found, expected, "U+{:04X}", u32::from(character));
        }
    }

    #[test]
    fn the_same_name_in_any_case_and_without_accents() {
        for (name, plain) in [
            ("Özlem Åberg", "ozlem aberg"),
            ("O\u{308}ZLEM A\u{30a}BERG", "ozlem aberg"),
            ("ŁUKASZ", "lukasz"),
            ("İSTANBUL ıstanbul", "istanbul istanbul"),
            ("Straße STRASSE ẞ", "strasse strasse ss"),
            ("Đặng Ørsted Ægir Œdipe", "dang orsted aegir oedipe"),
            ("O’Brien", "o'brien"),
            ("Ｍａｒｉａ ﬁ", "maria fi"),
            ("ΜΑΡΊΑ Γιώργος", "μαρια γιωργοσ"),
            ("Ёлкин", "елкин"),
            ("שָׁלוֹם", "שלום"),
            ("\u{1100}\u{1175}\u{11b7}", "김"),
            ("ﾊﾞﾅﾅ", "バナナ"),
        ] {
            assert_eq!(search_key(name), search_key(plain), "{name}");
        }
        for (name, other) in [("か", "が"), ("สิ", "สุ"), ("maria", "mario"), ("李", "明")] {
            assert_ne!(search_key(name), search_key(other), "{name}");
        }
        assert_eq!(search_words(" Özlem  \u{a0}李 "), ["ozlem", "UGHEO"]);
        assert!(search_words("\u{301}\u{301}").is_empty());
    }
}

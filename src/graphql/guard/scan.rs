//! Looks at a document's bytes before the parser does, because that recurses and an overflowing stack cannot be caught.

use std::borrow::Cow;
use std::ops::Range;

use super::{Limits, Refused, bad_input, within};

/// Brackets of all kinds that may stand open at once.
const MAX_BRACKETS: u64 = 100;
/// Letters of a name: an answer repeats an alias in each row. Names that tools make of others stay below it by far.
const MAX_NAME: u64 = 256;

/// What a document's bytes tell of it.
pub(super) struct Scanned {
    pub tokens: u64,
    comments: Vec<Range<usize>>,
}

impl Scanned {
    /// The document with spaces for its comments, which the parser does not take everywhere: all else stays in its place.
    pub fn without_comments<'a>(&self, query: &'a str) -> Cow<'a, str> {
        if self.comments.is_empty() {
            return Cow::Borrowed(query);
        }
        let (mut plain, mut end) = (String::with_capacity(query.len()), 0);
        for comment in &self.comments {
            plain.push_str(query.get(end..comment.start).unwrap_or_default());
            let characters = query.get(comment.clone()).unwrap_or_default().chars();
            plain.extend(characters.map(|_| ' '));
            end = comment.end;
        }
        plain.push_str(query.get(end..).unwrap_or_default());
        Cow::Owned(plain)
    }
}

/// One pass over the bytes: how many tokens and directives, and how deep the brackets. Strings and comments are passed over.
pub(super) fn scan(query: &str, limits: Limits) -> Result<Scanned, Refused> {
    let bytes = query.as_bytes();
    let at = |index: usize| bytes.get(index).copied();
    let (mut index, mut tokens, mut depth, mut directives) = (0, 0_u64, 0_u64, 0_u64);
    let mut comments = Vec::new();
    let mut after_query = false;
    while let Some(byte) = at(index) {
        let start = index;
        index += 1;
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' | b',' => continue,
            b'#' => {
                while at(index).is_some_and(|byte| byte != b'\n' && byte != b'\r') {
                    index += 1;
                }
                comments.push(start..index);
                continue;
            }
            b'"' => {
                index = end_of_string(bytes, start);
                if holds_nul(bytes.get(start..index).unwrap_or_default()) {
                    return Err(bad_input("the document holds a NUL character, which no text here may hold"));
                }
            }
            0 => return Err(bad_input("the document holds a NUL character, which no text here may hold")),
            b'{' | b'[' | b'(' => {
                // `query {` says no more than `{`.
                tokens -= u64::from(after_query && byte == b'{');
                depth += 1;
                within("brackets open at once", depth, MAX_BRACKETS)?;
            }
            b'}' | b']' | b')' => depth = depth.saturating_sub(1),
            b'@' => {
                directives += 1;
                within("directives", directives, limits.directives)?;
            }
            _ if is_word(byte) => {
                while at(index).is_some_and(is_word) {
                    index += 1;
                }
                within("letters in one name", (index - start) as u64, MAX_NAME)?;
            }
            _ => {}
        }
        after_query = depth == 0 && bytes.get(start..index) == Some(b"query");
        tokens += 1;
        within("tokens", tokens, limits.tokens)?;
    }
    Ok(Scanned { tokens, comments })
}

/// Whether a string has a NUL in it, as it is or escaped as `\u0000` or `\u{0}`.
fn holds_nul(string: &[u8]) -> bool {
    let mut rest = string;
    let is_block = string.starts_with(br#"""""#);
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first == b'\\' && !is_block {
            let mut after_zeros =
                after.strip_prefix(b"u{").unwrap_or_default().iter().skip_while(|digit| **digit == b'0');
            if after.starts_with(b"u0000") || after_zeros.next() == Some(&b'}') {
                return true;
            }
            rest = after.get(1..).unwrap_or_default();
        } else if first == 0 {
            return true;
        }
    }
    false
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The index after the string, or block string, that begins at `start`.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let rest = |index: usize| bytes.get(index..).unwrap_or_default();
    let block = rest(start).starts_with(br#"""""#);
    let mut index = start + if block { 3 } else { 1 };
    while let Some(&byte) = bytes.get(index) {
        match byte {
            b'\\' if block && rest(index).starts_with(br#"\""""#) => index += 4,
            b'\\' if !block => index += 2,
            b'"' if !block => return index + 1,
            b'"' if rest(index).starts_with(br#"""""#) => return index + 3,
            b'\n' | b'\r' if !block => return index,
            _ => index += 1,
        }
    }
    bytes.len()
}

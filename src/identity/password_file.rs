//! A larger list of common passwords in a file of the operator's: SHA-1 hashes in hexadecimal, one a line, sorted, each perhaps
//! followed by a colon and a count, as the lists of leaked passwords are published. It is searched where it lies, however
//! large it is.

use std::cmp::Ordering;
use std::fs::File;
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::FileExt;
use std::path::Path;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

/// Digits of a SHA-1.
const HASH: usize = 40;
/// The longest line: a hash, a colon, a count and the ends of a line.
const LINE: usize = HASH + 24;

/// Places of a file that are looked at to see that it is sorted.
const SAMPLES: u64 = 1000;

pub struct PasswordFile {
    file: File,
    bytes: u64,
}

impl PasswordFile {
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        let opened = Self { file, bytes };
        let first = opened.hash_in_line_at(0)?;
        let mut last = None;
        let mut place = bytes.saturating_sub(u64::try_from(2 * LINE).unwrap_or(0));
        while let Some((start, hash)) = opened.hash_in_line_at(place)? {
            (last, place) = (Some(hash), start + 1);
        }
        let unsorted = || Error::new(ErrorKind::InvalidData, "it has no sorted SHA-1 hashes, one a line");
        let (Some((_, first)), Some(last)) = (first, last) else { return Err(unsorted()) };
        // The same lists are also published by how common the passwords are.
        let mut before = first;
        for sample in 1..SAMPLES {
            if let Some((_, hash)) = opened.hash_in_line_at(bytes / SAMPLES * sample)? {
                if hash < before {
                    return Err(unsorted());
                }
                before = hash;
            }
        }
        if before <= last { Ok(opened) } else { Err(unsorted()) }
    }

    /// Whether this password is in the list.
    pub fn holds(&self, password: &str) -> Result<bool> {
        let wanted = hexadecimal(digest(&SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes()).as_ref());
        let (mut from, mut to) = (0, self.bytes);
        while from < to {
            let middle = from + (to - from) / 2;
            match self.hash_in_line_at(middle)? {
                // Only the end of a line lies behind the middle: what is left lies before it.
                None => to = middle,
                Some((start, _)) if start >= to => to = middle,
                Some((start, hash)) => match hash.cmp(&wanted) {
                    Ordering::Equal => return Ok(true),
                    Ordering::Less => from = start + 1,
                    Ordering::Greater => to = middle,
                },
            }
        }
        Ok(false)
    }

    /// The first line that begins at this place or behind it: where, and its hash in upper case.
    fn hash_in_line_at(&self, place: u64) -> Result<Option<(u64, [u8; HASH])>> {
        // A line that begins here has the end of another one before it.
        let begin = place.saturating_sub(1);
        let mut buffer = [0; 2 * LINE];
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, begin + filled as u64)? {
                0 => break,
                read => filled += read,
            }
        }
        let read = buffer.get(..filled).unwrap_or_default();
        let skipped = if place == 0 {
            0
        } else {
            match read.iter().position(|byte| *byte == b'\n') {
                Some(end) => end + 1,
                None => return Ok(None),
            }
        };
        let line = read.get(skipped..).unwrap_or_default();
        if line.is_empty() {
            return Ok(None);
        }
        let hash = line.get(..HASH).filter(|hash| hash.iter().all(u8::is_ascii_hexdigit));
        let hash: Option<[u8; HASH]> = hash.and_then(|hash| hash.to_ascii_uppercase().try_into().ok());
        let no_hash = || Error::new(ErrorKind::InvalidData, "a line does not begin with a SHA-1 in hexadecimal");
        let hash = hash.ok_or_else(no_hash)?;
        Ok(Some((begin + skipped as u64, hash)))
    }
}

fn hexadecimal(bytes: &[u8]) -> [u8; HASH] {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut text = [0; HASH];
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    for (place, digit) in text.iter_mut().zip(digits) {
        *place = DIGITS.get(usize::from(digit)).copied().unwrap_or_default();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn every_password_of_a_list_is_found_and_no_other() {
        for (end, count) in [("\n", ""), ("\r\n", ":17"), ("\n", ":123456789")] {
            let mut file = tempfile::NamedTempFile::new().expect("a file");
            let hash = |n: u32| {
                let hash = hexadecimal(digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("word{n}").as_bytes()).as_ref());
                String::from_utf8(hash.to_vec()).expect("digits")
            };
            let mut hashes: Vec<String> = (0..500).map(hash).collect();
            hashes.sort();
            let text: String = hashes.iter().map(|hash| format!("{hash}{count}{end}")).collect();
            file.write_all(text.as_bytes()).expect("written");
            let list = PasswordFile::open(file.path()).expect("a list");
            assert!((0..500).all(|n| list.holds(&format!("word{n}")).expect("read")), "{end:?} {count}");
            assert!((500..1000).all(|n| !list.holds(&format!("word{n}")).expect("read")), "{end:?} {count}");
        }
    }

    #[test]
    fn a_list_in_another_order_is_refused() {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        let hash = |n: u32| hexadecimal(digest(&SHA1_FOR_LEGACY_USE_ONLY, &n.to_be_bytes()).as_ref());
        let lines = (0..200).map(|n| format!("{}:{}\n", String::from_utf8_lossy(&hash(n)), 200 - n));
        file.write_all(lines.collect::<String>().as_bytes()).expect("written");
        assert!(PasswordFile::open(file.path()).is_err());
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for text in ["", "password\nhunter2\n", "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF\n0000\n"] {
            let mut file = tempfile::NamedTempFile::new().expect("a file");
            file.write_all(text.as_bytes()).expect("written");
            assert!(PasswordFile::open(file.path()).is_err(), "{text:?}");
        }
        assert!(PasswordFile::open(Path::new("/nowhere/list")).is_err());
    }
}

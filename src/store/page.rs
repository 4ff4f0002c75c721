//! Keyset pages: one more row than asked for tells whether there is another page, and no row is ever counted or skipped.

use sqlx::{Postgres, QueryBuilder};

/// Which rows of an ordered list are wanted. `C` is the position of a row in that order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PageRequest<C> {
    /// Rows, at least 1.
    pub limit: u32,
    /// The last rows before the cursor instead of the first after it.
    pub backward: bool,
    /// Where to go on; the list's end where there is none.
    pub cursor: Option<C>,
}

impl<C> PageRequest<C> {
    /// For the LIMIT clause: the page and the one row that tells of the next.
    pub(super) fn rows_to_read(&self) -> i64 {
        i64::from(self.limit) + 1
    }
}

impl<C: Ord + Clone> PageRequest<C> {
    /// The page of a list that is in memory, in ascending order of `key`.
    pub(super) fn of_sorted<T>(&self, rows: impl DoubleEndedIterator<Item = T>, key: impl Fn(&T) -> &C) -> Page<T> {
        let enough = self.limit as usize + 1;
        let read: Vec<T> = match (&self.cursor, self.backward) {
            (None, false) => rows.take(enough).collect(),
            (None, true) => rows.rev().take(enough).collect(),
            (Some(cursor), false) => rows.filter(|row| key(row) > cursor).take(enough).collect(),
            (Some(cursor), true) => rows.rev().filter(|row| key(row) < cursor).take(enough).collect(),
        };
        Page::from_read(read, self)
    }
}

/// One page, in the list's order whichever way it was read.
#[derive(Clone, Debug)]
pub struct Page<T> {
    pub rows: Vec<T>,
    pub has_next: bool,
    pub has_previous: bool,
}

impl<T> Page<T> {
    /// The same page of something else.
    pub fn map<U>(self, of: impl FnMut(T) -> U) -> Page<U> {
        Page { rows: self.rows.into_iter().map(of).collect(), has_next: self.has_next, has_previous: self.has_previous }
    }

    /// From the rows as they were read: nearest to the cursor first, one too many where there are more.
    pub(super) fn from_read<C>(mut rows: Vec<T>, request: &PageRequest<C>) -> Self {
        let limit = request.limit as usize;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let came_from_somewhere = request.cursor.is_some();
        if request.backward {
            rows.reverse();
            return Self { rows, has_next: came_from_somewhere, has_previous: more };
        }
        Self { rows, has_next: more, has_previous: came_from_somewhere }
    }
}

/// Splits rows that were read for several parents at once, each named in `key_of`, into a page a parent.
pub(super) fn pages_by_parent<K: Eq + std::hash::Hash + Clone, T, C>(
    parents: &[K],
    rows: Vec<(K, T)>,
    request: &PageRequest<C>,
) -> std::collections::HashMap<K, Page<T>> {
    let mut read: std::collections::HashMap<K, Vec<T>> = parents.iter().map(|key| (key.clone(), Vec::new())).collect();
    for (key, row) in rows {
        read.entry(key).or_default().push(row);
    }
    read.into_iter().map(|(key, rows)| (key, Page::from_read(rows, request))).collect()
}

/// Whether to read downwards, given the list's own direction.
pub(super) fn reads_descending(list_descends: bool, backward: bool) -> bool {
    list_descends != backward
}

/// Pushes `AND (column, id) > ($1, $2)`, or `<`: a comparison of rows, which an index on both columns answers.
pub(super) fn push_after<V>(
    query: &mut QueryBuilder<Postgres>,
    columns: &str,
    descending: bool,
    values: impl FnOnce(&mut QueryBuilder<Postgres>) -> V,
) {
    query.push(format_args!(" AND ({columns}) {} (", if descending { "<" } else { ">" }));
    values(query);
    query.push(")");
}

/// Pushes ` AND (<key> contains each of these words)`; `key` is a column of search keys, and `folding` what it is made of,
/// for rows where it has not been filled in yet. No words are in nothing.
pub(super) fn push_contains(query: &mut QueryBuilder<Postgres>, key: &str, folding: &str, words: &[String]) {
    if words.is_empty() {
        query.push(" AND false");
        return;
    }
    query.push(" AND (");
    for (n, word) in words.iter().enumerate() {
        query.push(if n == 0 { "" } else { " AND " }).push(key).push(" LIKE ").push_bind(contains_pattern(word));
    }
    query.push(format_args!(" OR {key} IS NULL"));
    for word in words {
        query.push(format_args!(" AND search_key({folding}) LIKE ")).push_bind(contains_pattern(word));
    }
    query.push(")");
}

/// A pattern that finds `text` anywhere, its own wildcards taken literally.
fn contains_pattern(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_knows_what_lies_on_either_side() {
        // rows read, limit, backward, has cursor -> rows, has_next, has_previous
        let table: [(&[i32], u32, bool, bool, &[i32], bool, bool); 6] = [
            (&[1, 2, 3], 2, false, false, &[1, 2], true, false),
            (&[1, 2], 2, false, false, &[1, 2], false, false),
            (&[3], 2, false, true, &[3], false, true),
            (&[9, 8, 7], 2, true, false, &[8, 9], false, true),
            (&[9, 8], 2, true, true, &[8, 9], true, false),
            (&[], 2, false, true, &[], false, true),
        ];
        for (read, limit, backward, has_cursor, rows, has_next, has_previous) in table {
            let request = PageRequest { limit, backward, cursor: has_cursor.then_some(()) };
            let page = Page::from_read(read.to_vec(), &request);
            assert_eq!((page.rows.as_slice(), page.has_next, page.has_previous), (rows, has_next, has_previous));
        }
    }

    #[test]
    fn a_list_in_memory_has_the_same_pages() {
        let list = [1, 3, 5, 7];
        // limit, backward, cursor -> rows, has_next, has_previous
        let table: [(u32, bool, Option<i32>, &[i32], bool, bool); 8] = [
            (2, false, None, &[1, 3], true, false),
            (4, false, None, &[1, 3, 5, 7], false, false),
            (2, false, Some(3), &[5, 7], false, true),
            (2, false, Some(2), &[3, 5], true, true),
            (2, true, None, &[5, 7], false, true),
            (2, true, Some(7), &[3, 5], true, true),
            (9, true, Some(5), &[1, 3], true, false),
            (2, false, Some(7), &[], false, true),
        ];
        for (limit, backward, cursor, rows, has_next, has_previous) in table {
            let page = PageRequest { limit, backward, cursor }.of_sorted(list.into_iter(), |number| number);
            assert_eq!((page.rows.as_slice(), page.has_next, page.has_previous), (rows, has_next, has_previous));
        }
    }

    #[test]
    fn wildcards_in_a_search_stand_for_themselves() {
        assert_eq!(contains_pattern(r"50%_\A"), r"%50\%\_\\A%");
    }
}

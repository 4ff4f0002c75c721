//! Whether a document names two fields alike in one place, so that what they find is merged into one.

use std::collections::HashSet;

use async_graphql::parser::types::{ExecutableDocument, Field, Selection, SelectionSet};

/// Of a document within the limits: fragments are expanded. Fields of different types in one place count as alike, too.
pub fn merges_fields(document: &ExecutableDocument) -> bool {
    document.operations.iter().any(|(_, operation)| merges(&operation.node.selection_set.node, document))
}

fn merges(set: &SelectionSet, document: &ExecutableDocument) -> bool {
    let mut fields = Vec::new();
    push_fields(set, document, &mut fields);
    let mut names = HashSet::new();
    fields
        .iter()
        .any(|field| !names.insert(field.response_key().node.as_str()) || merges(&field.selection_set.node, document))
}

fn push_fields<'a>(set: &'a SelectionSet, document: &'a ExecutableDocument, fields: &mut Vec<&'a Field>) {
    for selection in &set.items {
        match &selection.node {
            Selection::Field(field) => fields.push(&field.node),
            Selection::InlineFragment(fragment) => push_fields(&fragment.node.selection_set.node, document, fields),
            Selection::FragmentSpread(spread) => {
                if let Some(fragment) = document.fragments.get(&spread.node.fragment_name.node) {
                    push_fields(&fragment.node.selection_set.node, document, fields);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::merges_fields;

    #[test]
    fn fields_of_one_name_in_one_place_are_merged() {
        let table = [
            ("{ a b: a c { a } }", false),
            ("{ a { a } c { a } }", false),
            ("{ a ...F } fragment F on Q { b }", false),
            ("{ x { ...F } y { ...F } } fragment F on Q { b { c } }", false),
            ("{ a a }", true),
            ("{ a { b } a { c } }", true),
            ("{ a: b a: b }", true),
            ("{ a ... { a } }", true),
            ("{ a ... on Q { b { c { d d } } } }", true),
            ("{ a ...F } fragment F on Q { a }", true),
            ("{ ...F ...F } fragment F on Q { a }", true),
            ("query A { a } query B { a a }", true),
        ];
        for (document, expected) in table {
            let parsed = async_graphql::parser::parse_query(document).unwrap();
            assert_eq!(merges_fields(&parsed), expected, "{document}");
        }
    }
}

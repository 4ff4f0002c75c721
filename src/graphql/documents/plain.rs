//! Whether a document is plain: each of its fields answers to a name of its own, and stands on the type that it is asked of.
//! Of others, two fields may have to be merged, or a fragment may be for objects of another type.

use std::collections::HashSet;

use apollo_compiler::executable::{ExecutableDocument, Field, Selection, SelectionSet};
use apollo_compiler::schema::{ExtendedType, NamedType};
use apollo_compiler::{Node, Schema};

/// Of a document that is valid and within the limits: fragments are expanded.
pub fn is_plain(schema: &Schema, document: &ExecutableDocument) -> bool {
    document.operations.iter().all(|operation| Look { schema, document }.is_plain(&operation.selection_set))
}

struct Look<'a> {
    schema: &'a Schema,
    document: &'a ExecutableDocument,
}

impl<'a> Look<'a> {
    fn is_plain(&self, set: &SelectionSet) -> bool {
        let mut fields = Vec::new();
        let mut names = HashSet::new();
        self.push_fields(set, &mut fields)
            && fields.iter().all(|field| names.insert(field.response_key()) && self.is_plain(&field.selection_set))
    }

    /// False where a fragment may be for something else than what it stands in.
    fn push_fields<'s>(&self, set: &'s SelectionSet, fields: &mut Vec<&'s Node<Field>>) -> bool
    where
        'a: 's,
    {
        set.selections.iter().all(|selection| {
            let inner = match selection {
                Selection::Field(field) => {
                    fields.push(field);
                    return true;
                }
                Selection::InlineFragment(fragment) => &fragment.selection_set,
                Selection::FragmentSpread(spread) => match self.document.fragments.get(&spread.fragment_name) {
                    Some(fragment) => &fragment.selection_set,
                    None => return false,
                },
            };
            self.is_always(&set.ty, &inner.ty) && self.push_fields(inner, fields)
        })
    }

    /// Whether every object of the one type is of the other one, too.
    fn is_always(&self, one: &NamedType, other: &NamedType) -> bool {
        let implements = |definition: &ExtendedType| match definition {
            ExtendedType::Object(object) => {
                object.implements_interfaces.iter().any(|interface| interface.name == *other)
            }
            _ => false,
        };
        one == other || self.schema.types.get(one).is_some_and(implements)
    }
}

#[cfg(test)]
mod tests {
    use apollo_compiler::{ExecutableDocument, Schema};

    use super::is_plain;

    #[test]
    fn merged_fields_and_fragments_for_others_are_not_plain() {
        let schema = "interface N { id: ID } type Q implements N { id: ID a: Q b: Q n: N u: U }
                      type R implements N { id: ID a: Q } union U = Q | R schema { query: Q }";
        let schema = Schema::parse_and_validate(schema, "schema.graphql").unwrap();
        let table = [
            ("{ id i: id a { id } }", true),
            ("{ a { id } b { id } }", true),
            ("{ a { ...F } b { ...F } } fragment F on Q { b { id } }", true),
            ("{ id ... on Q { a { id } } ... { i: id } }", true),
            ("{ a { ... on N { id } } }", true),
            ("{ id id }", false),
            ("{ a { id } a { i: id } }", false),
            ("{ a: b { id } a: b { id } }", false),
            ("{ id ... { id } }", false),
            ("{ a { b { ... on Q { id id } } } }", false),
            ("{ id ...F } fragment F on Q { id }", false),
            ("{ a { ...F ...F } } fragment F on Q { id }", false),
            ("{ ... on N { ... on R { a { id } } } }", false),
            ("{ ... on N { ...F } } fragment F on Q { id }", false),
            ("{ a { ... on U { ... on Q { id } } } }", false),
            ("{ n { id ... on R { a { id } } } }", false),
        ];
        for (document, expected) in table {
            let valid = ExecutableDocument::parse_and_validate(&schema, document, "document.graphql").unwrap();
            assert_eq!(is_plain(&schema, &valid), expected, "{document}");
        }
    }
}

//! Whether a document of mutations holds text of its own, such as a password that was written into it.
//!
//! Such a document is not answered by its hash alone: whoever knows all of it but the password could try hashes until one
//! is known here, and none of these guesses would be counted.

use async_graphql::parser::types::{
    Directive, ExecutableDocument, OperationType, Selection, SelectionSet, VariableDefinition,
};
use async_graphql::{Name, Positioned};
use async_graphql_value::{ConstValue, Value};

pub fn mutates_by_text_of_its_own(document: &ExecutableDocument) -> bool {
    let operations = || document.operations.iter().map(|(_, operation)| &operation.node);
    operations().any(|operation| operation.ty == OperationType::Mutation)
        && (operations().any(|operation| {
            operation.variable_definitions.iter().any(has_text_by_default)
                || in_directives(&operation.directives)
                || in_selection(&operation.selection_set.node)
        }) || document.fragments.values().any(|fragment| in_selection(&fragment.node.selection_set.node)))
}

fn has_text_by_default(variable: &Positioned<VariableDefinition>) -> bool {
    variable.node.default_value.as_ref().is_some_and(|value| is_text(&value.node))
}

fn in_selection(set: &SelectionSet) -> bool {
    set.items.iter().any(|selection| match &selection.node {
        Selection::Field(field) => {
            in_arguments(&field.node.arguments)
                || in_directives(&field.node.directives)
                || in_selection(&field.node.selection_set.node)
        }
        Selection::InlineFragment(fragment) => {
            in_directives(&fragment.node.directives) || in_selection(&fragment.node.selection_set.node)
        }
        Selection::FragmentSpread(spread) => in_directives(&spread.node.directives),
    })
}

fn in_directives(directives: &[Positioned<Directive>]) -> bool {
    directives.iter().any(|directive| in_arguments(&directive.node.arguments))
}

fn in_arguments(arguments: &[(Positioned<Name>, Positioned<Value>)]) -> bool {
    arguments.iter().any(|(_, value)| holds_text(&value.node))
}

fn holds_text(value: &Value) -> bool {
    match value {
        Value::String(_) => true,
        Value::List(items) => items.iter().any(holds_text),
        Value::Object(fields) => fields.values().any(holds_text),
        _ => false,
    }
}

fn is_text(value: &ConstValue) -> bool {
    holds_text(&value.clone().into_value())
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::mutates_by_text_of_its_own;

    #[test]
    fn text_is_found_wherever_it_stands() {
        let table = [
            ("mutation($i: I!) { login(input: $i) { user { id } } }", false),
            ("mutation($p: String!) { login(input: { remember: true, password: $p }) { user { id } } }", false),
            ("mutation { login(input: { email: $e, password: \"hunter2\" }) { user { id } } }", true),
            ("mutation { logout(input: { all: true }) { count } }", false),
            ("mutation { a(list: [[{ b: \"c\" }]]) }", true),
            ("mutation($p: String = \"hunter2\") { a(p: $p) }", true),
            ("mutation($p: [I] = [{ p: \"hunter2\" }]) { a(p: $p) }", true),
            ("mutation { ...F } fragment F on Mutation { a(p: \"hunter2\") }", true),
            ("mutation { ... { a(p: \"hunter2\") } }", true),
            ("mutation { a { b(c: \"d\") } }", true),
            ("query { user(by: { email: \"someone@h.test\" }) { id } }", false),
        ];
        for (document, expected) in table {
            assert_eq!(mutates_by_text_of_its_own(&parse_query(document).unwrap()), expected, "{document}");
        }
    }
}

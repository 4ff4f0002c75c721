//! Takes out of input objects the fields whose variables were not given: they count as left out, and not as null, which the
//! executing library would make of them.

use async_graphql::Variables;
use async_graphql::parser::types::{DocumentOperations, ExecutableDocument, Selection, SelectionSet};
use async_graphql_value::Value;

/// Does so in every operation, with the variables that were given or have a default.
pub(super) fn leave_out(document: &mut ExecutableDocument, variables: &Variables) {
    let absent = |name: &str| !variables.contains_key(name);
    let operations: Vec<_> = match &mut document.operations {
        DocumentOperations::Single(operation) => vec![&mut operation.node],
        DocumentOperations::Multiple(operations) => operations.values_mut().map(|one| &mut one.node).collect(),
    };
    let mut any_absent = false;
    for operation in operations {
        let defined = &operation.variable_definitions;
        let without_default = defined.iter().filter(|defined| defined.node.default_value.is_none());
        if without_default.clone().any(|defined| absent(&defined.node.name.node)) {
            any_absent = true;
            let with_default: Vec<_> = defined
                .iter()
                .filter(|defined| defined.node.default_value.is_some())
                .map(|defined| defined.node.name.node.clone())
                .collect();
            in_selections(&mut operation.selection_set.node, &|name| {
                absent(name) && !with_default.iter().any(|defined| defined == name)
            });
        }
    }
    if any_absent {
        for fragment in document.fragments.values_mut() {
            in_selections(&mut fragment.node.selection_set.node, &absent);
        }
    }
}

fn in_selections(set: &mut SelectionSet, absent: &dyn Fn(&str) -> bool) {
    for selection in &mut set.items {
        match &mut selection.node {
            Selection::Field(field) => {
                for (_, value) in &mut field.node.arguments {
                    in_value(&mut value.node, absent);
                }
                in_selections(&mut field.node.selection_set.node, absent);
            }
            Selection::InlineFragment(fragment) => in_selections(&mut fragment.node.selection_set.node, absent),
            Selection::FragmentSpread(_) => {}
        }
    }
}

fn in_value(value: &mut Value, absent: &dyn Fn(&str) -> bool) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !matches!(value, Value::Variable(name) if absent(name)));
            fields.values_mut().for_each(|value| in_value(value, absent));
        }
        Value::List(items) => items.iter_mut().for_each(|item| in_value(item, absent)),
        _ => {}
    }
}

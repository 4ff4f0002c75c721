//! Takes out of input objects the fields whose variables have no value: they count as left out, and not as null, which the
//! executing library would make of them.

use async_graphql::Variables;
use async_graphql::parser::types::{DocumentOperations, ExecutableDocument, Selection, SelectionSet};
use async_graphql_value::Value;

/// Does so in the operations of a document, with variables that have their defaults already.
pub(super) fn leave_out(document: &mut ExecutableDocument, variables: &Variables) {
    let operations: Vec<_> = match &mut document.operations {
        DocumentOperations::Single(operation) => vec![&mut operation.node],
        DocumentOperations::Multiple(operations) => operations.values_mut().map(|one| &mut one.node).collect(),
    };
    let mut any_absent = false;
    for operation in operations {
        any_absent |= operation.variable_definitions.iter().any(|one| !variables.contains_key(&one.node.name.node));
        in_selections(&mut operation.selection_set.node, variables);
    }
    if any_absent {
        for fragment in document.fragments.values_mut() {
            in_selections(&mut fragment.node.selection_set.node, variables);
        }
    }
}

fn in_selections(set: &mut SelectionSet, variables: &Variables) {
    for selection in &mut set.items {
        match &mut selection.node {
            Selection::Field(field) => {
                for (_, value) in &mut field.node.arguments {
                    in_value(&mut value.node, variables);
                }
                in_selections(&mut field.node.selection_set.node, variables);
            }
            Selection::InlineFragment(fragment) => in_selections(&mut fragment.node.selection_set.node, variables),
            Selection::FragmentSpread(_) => {}
        }
    }
}

fn in_value(value: &mut Value, variables: &Variables) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !matches!(value, Value::Variable(name) if !variables.contains_key(name)));
            fields.values_mut().for_each(|value| in_value(value, variables));
        }
        Value::List(items) => items.iter_mut().for_each(|item| in_value(item, variables)),
        _ => {}
    }
}

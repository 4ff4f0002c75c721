//! What the validation of documents leaves out of values: fields that an object has twice, objects of which exactly one
//! field is to be given, and variables that stand inside of lists and objects.

use std::collections::HashSet;

use apollo_compiler::ast::{Type, Value};
use apollo_compiler::executable::Operation;
use apollo_compiler::schema::InputObjectType;
use apollo_compiler::{ExecutableDocument, Schema};
use serde_json::Value as Json;

use crate::graphql::guard::{Refused, bad_input};

/// Every fault of the values in a document.
pub(super) fn faults(schema: &Schema, document: &ExecutableDocument) -> Vec<Refused> {
    let mut faults = Vec::new();
    for operation in document.operations.iter() {
        let mut values = Values { schema, operation, faults: &mut faults };
        for variable in &operation.variables {
            if let Some(default) = &variable.default_value {
                values.look_at(default, Some(&variable.ty), false);
            }
        }
        for field in operation.all_fields(document) {
            for argument in &field.arguments {
                let definition = field.definition.argument_by_name(&argument.name);
                let has_default = definition.is_some_and(|definition| definition.default_value.is_some());
                values.look_at(&argument.value, definition.map(|definition| &*definition.ty), has_default);
            }
        }
    }
    faults
}

/// What is wrong with the value of a variable, of what coercing it lets pass.
pub(super) fn fault_of_variable(schema: &Schema, name: &str, expected: &Type, value: &Json) -> Option<Refused> {
    match value {
        Json::Array(items) => items.iter().find_map(|item| fault_of_variable(schema, name, expected.item_type(), item)),
        Json::Object(fields) => {
            let kind = input_object(schema, expected)?;
            if is_one_of(kind) && !(fields.len() == 1 && fields.values().all(|value| !value.is_null())) {
                return Some(bad_input(format!("`{name}`: {} takes exactly one field, and not null", kind.name)));
            }
            fields
                .iter()
                .find_map(|(field, value)| fault_of_variable(schema, name, &kind.fields.get(field.as_str())?.ty, value))
        }
        _ => None,
    }
}

fn input_object<'a>(schema: &'a Schema, kind: &Type) -> Option<&'a InputObjectType> {
    schema.get_input_object(kind.inner_named_type()).map(|found| &**found)
}

fn is_one_of(kind: &InputObjectType) -> bool {
    kind.directives.has("oneOf")
}

struct Values<'a> {
    schema: &'a Schema,
    operation: &'a Operation,
    faults: &'a mut Vec<Refused>,
}

impl Values<'_> {
    /// `expected` is None inside of a custom scalar, whose values are of no type of ours.
    fn look_at(&mut self, value: &Value, expected: Option<&Type>, has_default: bool) {
        match value {
            Value::Variable(name) => self.variable(name, expected, has_default),
            Value::List(items) => {
                let item = expected.filter(|expected| expected.is_list()).map(Type::item_type);
                for value in items {
                    self.look_at(value, item, false);
                }
            }
            Value::Object(fields) => {
                let mut names = HashSet::new();
                if let Some((twice, _)) = fields.iter().find(|(name, _)| !names.insert(name)) {
                    self.faults.push(bad_input(format!("an input object has the field `{twice}` twice")));
                }
                let kind = expected.and_then(|expected| input_object(self.schema, expected));
                if let Some(kind) = kind.filter(|kind| is_one_of(kind)) {
                    self.one_of(kind, fields.iter().map(|(_, value)| &**value));
                }
                for (name, value) in fields {
                    let field = kind.and_then(|kind| kind.fields.get(name));
                    let has_default = field.is_some_and(|field| field.default_value.is_some());
                    self.look_at(value, field.map(|field| &*field.ty), has_default);
                }
            }
            _ => {}
        }
    }

    fn one_of<'a>(&mut self, kind: &InputObjectType, mut values: impl Iterator<Item = &'a Value>) {
        let is_given = |value: &Value| match value {
            Value::Null => false,
            Value::Variable(name) => {
                self.operation.variables.iter().any(|variable| variable.name == *name && variable.ty.is_non_null())
            }
            _ => true,
        };
        let fits = values.next().is_some_and(is_given) && values.next().is_none();
        if !fits {
            self.faults.push(bad_input(format!("{} takes exactly one field, and not null", kind.name)));
        }
    }

    /// Whether a variable may stand there (IsVariableUsageAllowed of the specification).
    fn variable(&mut self, name: &str, expected: Option<&Type>, has_default: bool) {
        let Some(variable) = self.operation.variables.iter().find(|variable| variable.name == name) else {
            self.faults.push(bad_input(format!("variable `${name}` is not defined")));
            return;
        };
        let Some(expected) = expected else { return };
        let stands_in = has_default || variable.default_value.as_ref().is_some_and(|default| !default.is_null());
        let allowed = if expected.is_non_null() && !variable.ty.is_non_null() && stands_in {
            variable.ty.is_assignable_to(&expected.clone().nullable())
        } else {
            variable.ty.is_assignable_to(expected)
        };
        if !allowed {
            let message = format!("variable `${name}` of type {} cannot be used as {expected}", variable.ty);
            self.faults.push(bad_input(message));
        }
    }
}

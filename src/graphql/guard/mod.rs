//! Looks at a document before anything else does, and bounds what it can cost.
//!
//! Before parsing: its tokens and the depth of its brackets, because the parser recurses and an overflowing stack cannot
//! be caught. After parsing: its depth, its fields and its cost, with each fragment counted once, because counting by
//! expansion is what a fragment bomb waits for. One authentication mutation a request: a hundred aliased sign-ins would
//! be a hundred guesses.

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use async_graphql::parser::types::{
    DocumentOperations, ExecutableDocument, Field, FragmentDefinition, OperationDefinition, OperationType, Selection,
    SelectionSet,
};
use async_graphql::{Name, Positioned, Variables};
use async_graphql_value::{ConstValue, Value};

use crate::graphql::errors::code;

/// Brackets of all kinds that may stand open at once.
const MAX_BRACKETS: usize = 100;
/// Directives in one document: the library counts them for each field alone.
const MAX_DIRECTIVES: usize = 100;
const MAX_MUTATIONS: usize = 10;
/// Mutations of which one request may hold one.
const AUTHENTICATION: [&str; 4] = ["login", "refresh", "logout", "changePassword"];
/// Those of them that need no token.
const SIGN_IN: [&str; 2] = ["login", "refresh"];
/// Mutations whose payload lists as many users as their input names.
const BULK: [&str; 4] = ["assignRoles", "unassignRoles", "assignHotels", "unassignHotels"];
const DEFAULT_ROWS: u64 = 25;
const MAX_ROWS: u64 = 100;

/// What a document may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub tokens: usize,
    pub depth: usize,
    /// Fields, those of a connection's rows counted once for each row it can hold.
    pub cost: u64,
}

/// A document that may be run.
#[derive(Debug)]
pub struct Guarded {
    pub document: ExecutableDocument,
    pub is_mutation: bool,
    /// Nothing but mutations that need no token: one that is sent along is not looked at.
    pub signs_in: bool,
}

/// Why a document is not run.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused {
    pub code: &'static str,
    pub message: String,
}

fn too_complex(message: String) -> Refused {
    Refused { code: code::QUERY_TOO_COMPLEX, message }
}

fn bad_input(message: impl Into<String>) -> Refused {
    Refused { code: code::BAD_USER_INPUT, message: message.into() }
}

/// Parses a document, or says why it is not to be run.
pub fn guard(
    query: &str,
    operation_name: Option<&str>,
    variables: &Variables,
    limits: Limits,
) -> Result<Guarded, Refused> {
    scan(query, limits.tokens)?;
    if query.contains('\0') || query.contains("\\u0000") {
        return Err(bad_input("the document holds a NUL character, which no text here may hold"));
    }
    if let Some((name, _)) = variables.iter().find(|(_, value)| holds_nul(value)) {
        return Err(bad_input(format!("`{name}`: the variable holds a NUL character, which no text here may hold")));
    }
    let document = async_graphql::parser::parse_query(query).map_err(|error| bad_input(error.to_string()))?;
    let operation = chosen(&document.operations, operation_name)?;
    let mut measure = Measure { document: &document, variables, fragments: HashMap::new() };
    let size = measure.selections(&operation.selection_set.node, Within::Rows(0))?;
    if size.depth > limits.depth {
        return Err(too_complex(format!(
            "the document is {} fields deep; at most {} are answered",
            size.depth, limits.depth
        )));
    }
    if size.cost > limits.cost {
        return Err(too_complex(format!(
            "the document may ask for {} fields, rows counted; at most {} are answered: ask for fewer rows or fields",
            size.cost, limits.cost
        )));
    }
    let is_mutation = operation.ty == OperationType::Mutation;
    let mut roots = Vec::new();
    if is_mutation {
        measure.root_fields(&operation.selection_set.node, &mut roots)?;
        let authentications = roots.iter().filter(|name| AUTHENTICATION.contains(name)).count();
        if authentications > 1 {
            return Err(bad_input(format!(
                "one request may hold one of these mutations, once: {}",
                AUTHENTICATION.join(", ")
            )));
        }
    }
    let signs_in = is_mutation && !roots.is_empty() && roots.iter().all(|name| SIGN_IN.contains(name));
    Ok(Guarded { document, is_mutation, signs_in })
}

/// One pass over the bytes: how many tokens and directives, and how deep the brackets. Strings and comments are passed over.
fn scan(query: &str, max_tokens: usize) -> Result<(), Refused> {
    let bytes = query.as_bytes();
    let at = |index: usize| bytes.get(index).copied();
    let (mut index, mut tokens, mut depth, mut directives) = (0, 0_usize, 0_usize, 0_usize);
    while let Some(byte) = at(index) {
        let start = index;
        index += 1;
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' | b',' => continue,
            b'#' => {
                while at(index).is_some_and(|byte| byte != b'\n' && byte != b'\r') {
                    index += 1;
                }
                continue;
            }
            b'"' => index = end_of_string(bytes, start),
            b'{' | b'[' | b'(' => {
                depth += 1;
                if depth > MAX_BRACKETS {
                    return Err(too_complex(format!("the document nests brackets more than {MAX_BRACKETS} deep")));
                }
            }
            b'}' | b']' | b')' => depth = depth.saturating_sub(1),
            b'@' => {
                directives += 1;
                if directives > MAX_DIRECTIVES {
                    return Err(too_complex(format!("the document has more than {MAX_DIRECTIVES} directives")));
                }
            }
            _ if is_word(byte) => {
                while at(index).is_some_and(is_word) {
                    index += 1;
                }
            }
            _ => {}
        }
        tokens += 1;
        if tokens > max_tokens {
            return Err(too_complex(format!("the document has more than {max_tokens} tokens")));
        }
    }
    Ok(())
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
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

fn holds_nul(value: &ConstValue) -> bool {
    match value {
        ConstValue::String(text) => text.contains('\0'),
        ConstValue::List(items) => items.iter().any(holds_nul),
        ConstValue::Object(fields) => fields.iter().any(|(name, value)| name.contains('\0') || holds_nul(value)),
        _ => false,
    }
}

fn chosen<'a>(operations: &'a DocumentOperations, name: Option<&str>) -> Result<&'a OperationDefinition, Refused> {
    match (operations, name) {
        (DocumentOperations::Single(operation), None) => Ok(&operation.node),
        (DocumentOperations::Single(_), Some(name)) => {
            Err(bad_input(format!("the document has no operation `{name}`")))
        }
        (DocumentOperations::Multiple(operations), Some(name)) => operations
            .get(name)
            .map(|operation| &operation.node)
            .ok_or_else(|| bad_input(format!("the document has no operation `{name}`"))),
        (DocumentOperations::Multiple(operations), None) => match operations.values().next() {
            Some(operation) if operations.len() == 1 => Ok(&operation.node),
            _ => Err(bad_input("the document has several operations: name one in operationName")),
        },
    }
}

/// How large a selection is, all fragments expanded.
#[derive(Clone, Copy, Default)]
struct Size {
    depth: usize,
    cost: u64,
}

enum Counted {
    /// Being counted: meeting it again is a cycle.
    Open,
    Done(Size),
}

/// What a selection stands in: the fields in it that are there once a row.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Within {
    /// Nothing, or a connection that can hold so many rows.
    Rows(u64),
    /// A bulk mutation's payload, which lists so many users.
    Users(u64),
}

impl Within {
    fn times(self, field: &str) -> u64 {
        match self {
            Self::Rows(rows) if matches!(field, "edges" | "nodes") => rows.max(1),
            Self::Users(users) if field == "users" => users.max(1),
            _ => 1,
        }
    }
}

struct Measure<'a> {
    document: &'a ExecutableDocument,
    variables: &'a Variables,
    /// By the fragment and what it is counted in.
    fragments: HashMap<(&'a Name, Within), Counted>,
}

impl<'a> Measure<'a> {
    fn selections(&mut self, set: &'a SelectionSet, within: Within) -> Result<Size, Refused> {
        let mut size = Size::default();
        for selection in &set.items {
            let one = match &selection.node {
                Selection::Field(field) => self.field(&field.node, within)?,
                Selection::InlineFragment(fragment) => self.selections(&fragment.node.selection_set.node, within)?,
                Selection::FragmentSpread(spread) => self.fragment(&spread.node.fragment_name.node, within)?,
            };
            size = Size { depth: size.depth.max(one.depth), cost: size.cost.saturating_add(one.cost) };
        }
        Ok(size)
    }

    fn field(&mut self, field: &'a Field, within: Within) -> Result<Size, Refused> {
        let name = field.name.node.as_str();
        let below = if BULK.contains(&name) {
            Within::Users(self.users_named(field))
        } else {
            Within::Rows(self.rows_asked(field))
        };
        let inner = self.selections(&field.selection_set.node, below)?;
        let times = within.times(name);
        Ok(Size { depth: inner.depth + 1, cost: inner.cost.saturating_add(1).saturating_mul(times) })
    }

    /// The rows that a field's connection can hold, if it is one: what is asked for, within what is allowed.
    fn rows_asked(&self, field: &Field) -> u64 {
        let argument = ["first", "last"].iter().find_map(|name| field.get_argument(name));
        let value = match argument.map(|argument| &argument.node) {
            Some(Value::Variable(variable)) => self.variables.get(variable).cloned(),
            Some(value) => value.clone().into_const(),
            None => None,
        };
        match value {
            None | Some(ConstValue::Null) => DEFAULT_ROWS,
            Some(ConstValue::Number(rows)) => rows.as_u64().map_or(MAX_ROWS, |rows| rows.clamp(1, MAX_ROWS)),
            Some(_) => MAX_ROWS,
        }
    }

    /// How many users a bulk mutation's input names, at least 1.
    fn users_named(&self, field: &Field) -> u64 {
        let count = |length: usize| u64::try_from(length).unwrap_or(u64::MAX).max(1);
        let in_variable = |name: &Name| match self.variables.get(name) {
            Some(ConstValue::Object(input)) => input.get("users").map(in_list),
            Some(list @ ConstValue::List(_)) => Some(in_list(list)),
            _ => None,
        };
        fn in_list(value: &ConstValue) -> usize {
            if let ConstValue::List(users) = value { users.len() } else { 1 }
        }
        let named = match field.get_argument("input").map(|input| &input.node) {
            Some(Value::Variable(variable)) => in_variable(variable),
            Some(Value::Object(input)) => match input.get("users") {
                Some(Value::Variable(variable)) => in_variable(variable),
                Some(Value::List(users)) => Some(users.len()),
                _ => None,
            },
            _ => None,
        };
        count(named.unwrap_or(1))
    }

    fn definition(&self, name: &Name) -> Result<&'a FragmentDefinition, Refused> {
        let fragment: Option<&Positioned<FragmentDefinition>> = self.document.fragments.get(name);
        fragment
            .map(|fragment| &fragment.node)
            .ok_or_else(|| bad_input(format!("the document has no fragment `{name}`")))
    }

    fn fragment(&mut self, name: &'a Name, within: Within) -> Result<Size, Refused> {
        match self.fragments.get(&(name, within)) {
            Some(Counted::Done(size)) => return Ok(*size),
            Some(Counted::Open) => return Err(bad_input(format!("the fragment `{name}` holds itself"))),
            None => {}
        }
        let definition = self.definition(name)?;
        self.fragments.insert((name, within), Counted::Open);
        let size = self.selections(&definition.selection_set.node, within)?;
        self.fragments.insert((name, within), Counted::Done(size));
        Ok(size)
    }

    /// The names of the root fields, fragments expanded; a few at most, so that expanding them costs nothing.
    fn root_fields(&self, set: &'a SelectionSet, found: &mut Vec<&'a str>) -> Result<(), Refused> {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => found.push(field.node.name.node.as_str()),
                Selection::InlineFragment(fragment) => self.root_fields(&fragment.node.selection_set.node, found)?,
                Selection::FragmentSpread(spread) => {
                    let definition = self.definition(&spread.node.fragment_name.node)?;
                    self.root_fields(&definition.selection_set.node, found)?;
                }
            }
            if found.len() > MAX_MUTATIONS {
                return Err(bad_input(format!("one request may hold at most {MAX_MUTATIONS} mutations")));
            }
        }
        Ok(())
    }
}

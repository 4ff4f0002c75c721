//! Bounds what a document can cost, before and after it is parsed, and what one request may do.
//!
//! Before parsing: its tokens, directives and the depth of its brackets ([`scan`]). After it: its aliases and root fields,
//! its depth and its cost ([`measure`]). One authentication mutation a request: a hundred aliased sign-ins would be a
//! hundred guesses. That it is valid is looked at in [`documents`](super::documents).

mod measure;
mod scan;
#[cfg(test)]
mod tests;

use async_graphql::parser::types::{DocumentOperations, ExecutableDocument, OperationDefinition, OperationType};
use async_graphql::{Pos, Positioned, Variables};
use async_graphql_value::ConstValue;

use self::measure::{Measure, aliases};
use crate::graphql::errors::code;

/// Mutations of which one request may hold one.
const AUTHENTICATION: [&str; 4] = ["login", "refresh", "logout", "changePassword"];
/// Those of them that need no token.
const SIGN_IN: [&str; 2] = ["login", "refresh"];
const MAX_MUTATIONS: u64 = 10;
/// Selections within selections, fragments counted: the executing library goes down no deeper.
const MAX_NESTING: u64 = 64;

/// What a document may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub tokens: u64,
    pub directives: u64,
    pub aliases: u64,
    /// Fields at the top of the operation, fragments expanded.
    pub root_fields: u64,
    pub depth: u64,
    /// Fields by what each costs, those of a connection's rows counted once for each row it can hold.
    pub cost: u64,
}

/// An operation that may be run.
#[derive(Clone, Copy, Debug)]
pub struct Guarded {
    pub is_mutation: bool,
}

/// Why a document is not run.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused {
    pub code: &'static str,
    pub message: String,
    pub at: Option<Pos>,
    pub exceeded: Option<Exceeded>,
}

/// A limit that a document goes beyond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    pub limit: &'static str,
    /// What was asked for, as far as it was counted.
    pub asked: u64,
    pub allowed: u64,
}

pub(super) fn bad_input(message: impl Into<String>) -> Refused {
    Refused { code: code::BAD_USER_INPUT, message: message.into(), at: None, exceeded: None }
}

fn too_complex(limit: &'static str, asked: u64, allowed: u64) -> Refused {
    let message = format!("the document has {asked} {limit}; at most {allowed} are answered: ask for less at once");
    Refused { code: code::QUERY_TOO_COMPLEX, message, at: None, exceeded: Some(Exceeded { limit, asked, allowed }) }
}

fn within(limit: &'static str, asked: u64, allowed: u64) -> Result<(), Refused> {
    if asked > allowed { Err(too_complex(limit, asked, allowed)) } else { Ok(()) }
}

/// Parses a document that a parser can bear.
pub(super) fn parse(query: &str, limits: Limits) -> Result<ExecutableDocument, Refused> {
    let query = query.trim_start_matches('\u{feff}');
    let scanned = scan::scan(query, limits)?;
    let document = match async_graphql::parser::parse_query(scanned.without_comments(query)) {
        Ok(document) => document,
        Err(_) => parse_to_the_letter(query, scanned.tokens, limits)?,
    };
    within("aliases", aliases(&document), limits.aliases)?;
    Ok(document)
}

/// The executing library's parser does not take all that the language has. What another one reads is written again in a
/// plainer way; places in errors are those of what was written, then.
fn parse_to_the_letter(query: &str, tokens: u64, limits: Limits) -> Result<ExecutableDocument, Refused> {
    let read = apollo_compiler::ast::Document::parse(query, "document.graphql").map_err(|error| {
        let error = error.errors.iter().next().map(|error| error.to_json());
        let place = error.as_ref().and_then(|error| error.locations.first());
        let at = place.map(|place| Pos { line: place.line, column: place.column });
        let message = error.as_ref().map_or("the document cannot be read", |error| error.message.as_str());
        Refused { at, ..bad_input(message) }
    })?;
    let plain = read.serialize().no_indent().to_string();
    // It reads over some mistakes, and what it has left out is not there any more.
    if scan::scan(&plain, limits)?.tokens != tokens {
        return Err(bad_input("syntax error: something in the document is incomplete"));
    }
    async_graphql::parser::parse_query(plain).map_err(|error| bad_input(error.to_string()))
}

/// Bounds what a document is when all its fragments are expanded, rows left out: validation goes over no less.
pub(super) fn expand(document: &ExecutableDocument, limits: Limits) -> Result<(), Refused> {
    let mut measure = Measure::of_fields_alone(document);
    let mut fields = 0_u64;
    for (_, operation) in document.operations.iter() {
        let size = measure.operation(&operation.node)?;
        within("levels of fields", size.depth, limits.depth)?;
        within("levels of fields and fragments", size.nesting, MAX_NESTING)?;
        fields = fields.saturating_add(size.cost);
        within("fields, fragments expanded", fields, limits.cost)?;
    }
    Ok(())
}

/// The document with one of its operations alone.
pub(super) fn only(document: &ExecutableDocument, name: Option<&str>) -> Result<ExecutableDocument, Refused> {
    let operation = Positioned::new(chosen(&document.operations, name)?.clone(), Pos::default());
    Ok(ExecutableDocument { operations: DocumentOperations::Single(operation), fragments: document.fragments.clone() })
}

/// Looks at the operation that is to be run, with its variables.
pub fn guard(document: &ExecutableDocument, variables: &Variables, limits: Limits) -> Result<Guarded, Refused> {
    if let Some((name, _)) = variables.iter().find(|(_, value)| holds_nul(value)) {
        return Err(bad_input(format!("`{name}`: the variable holds a NUL character, which no text here may hold")));
    }
    let operation = chosen(&document.operations, None)?;
    let mut measure = Measure::of_cost(document, variables);
    let size = measure.operation(operation)?;
    within("levels of fields", size.depth, limits.depth)?;
    within("fields and rows by their cost", size.cost, limits.cost)?;
    let is_mutation = operation.ty == OperationType::Mutation;
    let allowed = if is_mutation { MAX_MUTATIONS.min(limits.root_fields) } else { limits.root_fields };
    let roots = measure.root_fields(operation, allowed)?;
    if is_mutation && roots.iter().filter(|name| AUTHENTICATION.contains(name)).count() > 1 {
        let message = format!("one request may hold one of these mutations, once: {}", AUTHENTICATION.join(", "));
        return Err(bad_input(message));
    }
    Ok(Guarded { is_mutation })
}

/// Whether the operation is nothing but mutations that need no token.
pub(super) fn signs_in(document: &ExecutableDocument, name: Option<&str>) -> bool {
    holds_nothing_but(&SIGN_IN, document, name)
}

/// Whether the operation is nothing but the mutation that ends a session, for which a refresh token does.
pub(super) fn signs_out(document: &ExecutableDocument, name: Option<&str>) -> bool {
    holds_nothing_but(&["logout"], document, name)
}

fn holds_nothing_but(mutations: &[&str], document: &ExecutableDocument, name: Option<&str>) -> bool {
    let Ok(operation) = chosen(&document.operations, name) else { return false };
    if operation.ty != OperationType::Mutation {
        return false;
    }
    let roots = Measure::of_fields_alone(document).root_fields(operation, MAX_MUTATIONS);
    roots.is_ok_and(|roots| !roots.is_empty() && roots.iter().all(|name| mutations.contains(name)))
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

//! The documents that this server knows: parsed, within the limits and valid, so that what is sent again is only looked up.
//!
//! Validation is apollo-compiler's, because the executing library lets pass much of what the specification forbids, and
//! refuses some of what it allows. A document is known by its SHA-256, which is also how clients may ask for it instead
//! of sending it (automatic persisted queries), and how a manifest of trusted documents names the only ones to run.

mod absent;
mod introspection;
mod literal;
mod plain;
mod values;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use apollo_compiler::introspection::check_max_depth;
use apollo_compiler::request::{RequestError, coerce_variable_values};
use apollo_compiler::response::{GraphQLError, JsonValue};
use apollo_compiler::validation::{DiagnosticList, Valid};
use apollo_compiler::{ExecutableDocument as ValidDocument, Schema as ValidSchema};
use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};
use async_graphql::{Pos, Variables};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::graphql::errors::{MAX_ERRORS, code};
use crate::graphql::guard::{self, Guarded, Limits, Refused, bad_input};

/// The memory that known documents take at most, in bytes, as far as it can be told from their length.
const KNOWN_BYTES: u64 = 64 * 1024 * 1024;
/// What each takes whatever it holds, and what each byte of it becomes in two syntax trees.
const ENTRY_BYTES: u64 = 4096;
const BYTES_EACH: u64 = 64;
/// About how many documents that is.
const KNOWN: usize = 4096;

type Hash = [u8; 32];

/// A document that may be run.
pub struct Known {
    document: ExecutableDocument,
    valid: Valid<ValidDocument>,
    /// Of a document without variables and with one operation, which is as it is however often it is asked for.
    guarded: Option<Guarded>,
    is_plain: bool,
    /// Its hash alone is enough to ask for it.
    is_found_by_hash: bool,
    bytes: u64,
}

/// An operation of a document with its variables, ready to be run.
pub struct Ready {
    pub document: ExecutableDocument,
    pub variables: Variables,
    pub guarded: Guarded,
    /// None of its fields is merged with another one, and none is for objects of some types alone.
    pub is_plain: bool,
}

impl Ready {
    /// How many fields are asked for at the top, fragments included once.
    pub fn root_fields(&self) -> usize {
        let fields =
            |set: &SelectionSet| set.items.iter().filter(|item| matches!(item.node, Selection::Field(_))).count();
        let operations = self.document.operations.iter().map(|(_, operation)| &operation.node.selection_set.node);
        let fragments = self.document.fragments.values().map(|fragment| &fragment.node);
        let of_mutations = fragments.filter(|fragment| fragment.type_condition.node.on.node == "Mutation");
        operations.map(fields).sum::<usize>()
            + of_mutations.map(|fragment| fields(&fragment.selection_set.node)).sum::<usize>()
    }

    /// Whether nothing but one field is asked for.
    pub fn is_one_field(&self) -> bool {
        self.document.operations.iter().all(|(_, operation)| {
            matches!(operation.node.selection_set.node.items.as_slice(), [one] if matches!(one.node, Selection::Field(_)))
        })
    }
}

/// What a client asks to be run.
#[derive(Default)]
pub struct Asked {
    /// The document itself; None where its hash stands for it.
    pub query: Option<String>,
    /// The SHA-256 of the document in hexadecimal.
    pub hash: Option<String>,
    pub operation_name: Option<String>,
    pub variables: Map<String, Value>,
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<Hash, Arc<Known>> for ByBytes {
    fn weight(&self, _: &Hash, known: &Arc<Known>) -> u64 {
        known.bytes
    }
}

/// All documents of one server.
pub struct Documents {
    schema: Valid<ValidSchema>,
    limits: Limits,
    known: Cache<Hash, Arc<Known>, ByBytes>,
    trusted: HashMap<Hash, String>,
    only_trusted: bool,
}

/// Which documents are trusted, and whether any others are run.
#[derive(Clone, Debug, Default)]
pub struct Trusted {
    manifest: HashMap<Hash, String>,
    only: bool,
}

/// Why the manifest of trusted documents cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error("graphql.trusted_documents: {path} cannot be read: {problem}")]
    Unreadable { path: String, problem: std::io::Error },
    #[error(
        "graphql.trusted_documents: {path} is no manifest; it looks like {{\"<SHA-256>\": \"query ...\"}} or has a list of \
         operations, each with its id and body"
    )]
    Malformed { path: String },
    #[error("graphql.trusted_documents: {path} names a document {id:?} that has another SHA-256")]
    OtherHash { path: String, id: String },
}

/// The schema is not valid: a defect.
#[derive(Debug, thiserror::Error)]
#[error("the GraphQL schema is not valid: {0}")]
pub struct SchemaError(String);

/// The forms that the tools of clients write.
#[derive(Deserialize)]
#[serde(untagged)]
enum Manifest {
    Operations { operations: Vec<Operation> },
    ByHash(HashMap<String, String>),
}

#[derive(Deserialize)]
struct Operation {
    id: String,
    body: String,
}

impl Trusted {
    /// Reads the manifest; with `only`, nothing else is run.
    pub fn read(path: &Path, only: bool) -> Result<Self, ManifestError> {
        let name = || path.display().to_string();
        let text = std::fs::read(path).map_err(|problem| ManifestError::Unreadable { path: name(), problem })?;
        let manifest = serde_json::from_slice(&text).map_err(|_| ManifestError::Malformed { path: name() })?;
        let documents = match manifest {
            Manifest::Operations { operations } => operations.into_iter().map(|one| (one.id, one.body)).collect(),
            Manifest::ByHash(documents) => documents,
        };
        let mut trusted = HashMap::new();
        for (id, document) in documents {
            let hash = hash_of(&document);
            if read_hash(&id) != Some(hash) {
                return Err(ManifestError::OtherHash { path: name(), id });
            }
            trusted.insert(hash, document);
        }
        Ok(Self { manifest: trusted, only })
    }
}

impl Asked {
    /// The hash that stands for the document.
    fn hash(&self) -> Option<Hash> {
        self.query.as_deref().map(hash_of).or_else(|| self.hash.as_deref().and_then(read_hash))
    }
}

impl Known {
    /// Whether what was asked for of it is nothing but mutations that need no token.
    pub fn signs_in(&self, asked: &Asked) -> bool {
        guard::signs_in(&self.document, asked.operation_name.as_deref())
    }

    /// Whether what was asked for of it is nothing but to sign out.
    pub fn signs_out(&self, asked: &Asked) -> bool {
        guard::signs_out(&self.document, asked.operation_name.as_deref())
    }
}

impl Documents {
    /// `sdl` is the schema that documents are for.
    pub fn new(sdl: &str, limits: Limits, trusted: Trusted) -> Result<Self, SchemaError> {
        let schema = introspection::schema(sdl)?;
        let known = Cache::with_weighter(KNOWN, KNOWN_BYTES, ByBytes);
        Ok(Self { schema, limits, known, trusted: trusted.manifest, only_trusted: trusted.only })
    }

    /// What was asked for, if it has been looked at before.
    pub fn known(&self, asked: &Asked) -> Option<Arc<Known>> {
        let hash = asked.hash()?;
        let known = self.known.peek(&hash)?;
        (asked.query.is_some() || known.is_found_by_hash || self.trusted.contains_key(&hash)).then_some(known)
    }

    /// The operation that was asked for, ready to be run; or every reason why it is not.
    pub fn ready(&self, known: &Known, asked: Asked) -> Result<Ready, Vec<Refused>> {
        if let Some(guarded) = known.guarded.filter(|_| asked.operation_name.is_none() && asked.variables.is_empty()) {
            let document = known.document.clone();
            return Ok(Ready { document, variables: Variables::default(), guarded, is_plain: known.is_plain });
        }
        // The operation alone: the executing library expands the fragments of every operation that it is given.
        let mut document =
            guard::only(&known.document, asked.operation_name.as_deref()).map_err(|refused| vec![refused])?;
        let variables = self.coerced(known, asked.operation_name.as_deref(), asked.variables)?;
        let guarded = guard::guard(&document, &variables, self.limits).map_err(|refused| vec![refused])?;
        absent::leave_out(&mut document, &variables);
        Ok(Ready { document, variables, guarded, is_plain: known.is_plain })
    }

    /// The document that was asked for, looked at where it is new; or every reason why it cannot be run.
    pub fn find(&self, asked: &Asked) -> Result<Arc<Known>, Vec<Refused>> {
        let (query, hash) = (asked.query.as_deref(), asked.hash.as_deref());
        let one = |refused: Refused| Err(vec![refused]);
        let given = match hash.map(read_hash) {
            Some(None) => return one(bad_input("a document's hash is its SHA-256 in 64 hexadecimal digits")),
            Some(given) => given,
            None => None,
        };
        let (hash, query) = match (query, given) {
            (None, None) => return one(bad_input("`query` is missing")),
            (None, Some(hash)) => (hash, self.trusted.get(&hash).map(String::as_str)),
            (Some(query), given) => {
                let hash = hash_of(query);
                if given.is_some_and(|given| given != hash) {
                    return one(bad_input("the document has another SHA-256 than was said"));
                }
                (hash, Some(query))
            }
        };
        if let Some(known) = self.known.get(&hash).filter(|known| query.is_some() || known.is_found_by_hash) {
            return Ok(known);
        }
        // In the words that clients look for before they send the document itself.
        let unknown = || Refused { code: code::PERSISTED_QUERY_NOT_FOUND, ..bad_input("PersistedQueryNotFound") };
        let Some(query) = query else { return one(unknown()) };
        if self.only_trusted && !self.trusted.contains_key(&hash) {
            return one(bad_input("this server runs only the documents that its operators have listed"));
        }
        let known = Arc::new(self.look_at(query)?);
        self.known.insert(hash, known.clone());
        Ok(known)
    }

    fn look_at(&self, query: &str) -> Result<Known, Vec<Refused>> {
        let document = guard::parse(query, self.limits).map_err(|refused| vec![refused])?;
        guard::expand(&document, self.limits).map_err(|refused| vec![refused])?;
        let valid = ValidDocument::parse_and_validate(&self.schema, query, "document.graphql")
            .map_err(|invalid| refusals(&invalid.errors))?;
        let mut faults = values::faults(&self.schema, &valid);
        if !faults.is_empty() {
            faults.truncate(MAX_ERRORS);
            return Err(faults);
        }
        for operation in valid.operations.iter() {
            // A type's fields have types with fields: answers about the schema would grow without end.
            if check_max_depth(&valid, operation).is_err() {
                let message = "the document asks for lists within lists of the schema, deeper than is answered";
                return Err(vec![Refused { code: code::QUERY_TOO_COMPLEX, ..bad_input(message) }]);
            }
        }
        let has_no_variables = valid.operations.iter().all(|operation| operation.variables.is_empty());
        let guarded = guard::guard(&document, &Variables::default(), self.limits).ok().filter(|_| has_no_variables);
        let is_plain = plain::is_plain(&self.schema, &valid);
        let is_found_by_hash = !literal::mutates_by_text_of_its_own(&document);
        Ok(Known {
            document,
            valid,
            guarded,
            is_plain,
            is_found_by_hash,
            bytes: ENTRY_BYTES + query.len() as u64 * BYTES_EACH,
        })
    }

    /// The variables as the operation takes them: with their defaults, and without those that it does not have.
    fn coerced(
        &self,
        known: &Known,
        operation: Option<&str>,
        variables: Map<String, Value>,
    ) -> Result<Variables, Vec<Refused>> {
        let wrong = |error: RequestError| vec![refusal(&error.to_graphql_error(&known.valid.sources))];
        let operation = known.valid.operations.get(operation).map_err(wrong)?;
        for variable in &operation.variables {
            let given = variables.get(variable.name.as_str());
            let fault = |value| values::fault_of_variable(&self.schema, &variable.name, &variable.ty, value);
            if let Some(fault) = given.and_then(fault) {
                return Err(vec![fault]);
            }
        }
        let JsonValue::Object(variables) = JsonValue::from(Value::Object(variables)) else {
            return Ok(Variables::default());
        };
        let coerced = coerce_variable_values(&self.schema, operation, &variables).map_err(wrong)?;
        let coerced = async_graphql::to_value(&*coerced).map_err(|error| vec![bad_input(error.to_string())])?;
        Ok(Variables::from_value(coerced))
    }
}

fn refusals(errors: &DiagnosticList) -> Vec<Refused> {
    errors.iter().take(MAX_ERRORS).map(|error| refusal(&error.to_json())).collect()
}

fn refusal(error: &GraphQLError) -> Refused {
    let at = error.locations.first().map(|place| Pos { line: place.line, column: place.column });
    Refused { at, ..bad_input(error.message.clone()) }
}

fn hash_of(document: &str) -> Hash {
    Sha256::digest(document.as_bytes()).into()
}

/// A SHA-256 as it is written, `sha256:` before it or not.
fn read_hash(text: &str) -> Option<Hash> {
    let digits = text.strip_prefix("sha256:").unwrap_or(text);
    let mut hash = [0; 32];
    if digits.len() != 2 * hash.len() || !digits.is_ascii() {
        return None;
    }
    for (byte, pair) in hash.iter_mut().zip(digits.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(hash)
}

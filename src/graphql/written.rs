//! Objects that are written as JSON at once, where all that they are asked for is at hand.
//!
//! The executing library makes a future for each field of each row, gathers the values in a map and writes the map in the
//! end; for a page of users that is most of what the server does. A row's columns, and roles and hotels that are in memory,
//! need nobody to wait for. So a [`Selection`] is made once for a list, and each row is written by it; where a row is asked
//! for anything else, or a role or a hotel is not in memory, the library resolves it as it does everything.
//!
//! What is written travels as [`Value::Binary`], which the schema has no other use for, and [`spliced`] puts it in place.
//! Only a plain document ([`documents`](super::documents)) is served like that: the library merges maps, not texts, and
//! knows of what type an object is.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;

use async_graphql::parser::types::Field;
use async_graphql::registry::Registry;
use async_graphql::{
    Context, ContextSelectionSet, Lookahead, OutputType, Positioned, Response, SelectionField, ServerResult, Value,
};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};
use uuid::Uuid;

use super::context::{Request, RequestContext};

/// JSON as far as it is written.
#[derive(Default)]
pub struct JsonText(Vec<u8>);

impl JsonText {
    /// A text, a number, a boolean, or none of them.
    pub fn value(&mut self, value: &impl Serialize) -> Option<()> {
        serde_json::to_writer(&mut self.0, value).ok()
    }

    /// The global id of what is known by a text.
    pub fn text_id(&mut self, kind: &str, key: &str) -> Option<()> {
        self.0.push(b'"');
        self.0.extend_from_slice(kind.as_bytes());
        self.0.push(b':');
        let quotation_mark = self.0.len();
        self.value(&key)?;
        self.0.remove(quotation_mark);
        Some(())
    }

    /// The global id of what is known by a uuid.
    pub fn id(&mut self, kind: &str, key: Uuid) -> Option<()> {
        self.text_id(kind, key.as_hyphenated().encode_lower(&mut Uuid::encode_buffer()))
    }

    pub fn time(&mut self, time: Option<DateTime<Utc>>) -> Option<()> {
        self.value(&time.map(|time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true)))
    }

    /// A list of objects, each written by `selection`.
    pub fn list<'a, T: Fields + 'a>(
        &mut self,
        objects: impl Iterator<Item = &'a T>,
        selection: &Selection<T>,
        request: &Request,
    ) -> Option<()> {
        self.0.push(b'[');
        for (n, object) in objects.enumerate() {
            if n > 0 {
                self.0.push(b',');
            }
            selection.write(object, request, self)?;
        }
        self.0.push(b']');
        Some(())
    }
}

/// Writes the value of one field of an object; None where it is not at hand.
pub type Write<T> = Box<dyn Fn(&T, &Request, &mut JsonText) -> Option<()> + Send + Sync>;

/// An object whose fields can be written.
pub trait Fields {
    const TYPE_NAME: &'static str;

    /// How the value of this field is written; None for a field that has to be resolved.
    fn write(field: &SelectionField<'_>) -> Option<Write<Self>>;
}

/// What an object is asked for, where all of it can be written.
pub struct Selection<T: ?Sized>(Vec<(String, Write<T>)>);

impl<T: Fields> Selection<T> {
    pub fn of(field: &SelectionField<'_>) -> Option<Self> {
        let written = |field: SelectionField<'_>| {
            // Names in GraphQL have nothing to escape.
            let name = format!("\"{}\":", field.alias().unwrap_or(field.name()));
            let write = match field.name() {
                "__typename" => Box::new(|_: &T, _: &Request, json: &mut JsonText| json.value(&T::TYPE_NAME)),
                _ => T::write(&field)?,
            };
            Some((name, write))
        };
        field.selection_set().map(written).collect::<Option<_>>().map(Self)
    }

    pub fn write(&self, object: &T, request: &Request, json: &mut JsonText) -> Option<()> {
        let mut before = b'{';
        for (name, write) in &self.0 {
            json.0.push(before);
            json.0.extend_from_slice(name.as_bytes());
            write(object, request, json)?;
            before = b',';
        }
        json.0.push(b'}');
        // An object without fields was asked for nothing, and is null.
        (before == b',').then_some(())
    }
}

/// The selections of the rows of one list, by the names of the fields that show a row.
pub struct Selections<T> {
    request: Arc<Request>,
    by_name: Vec<(String, Selection<T>)>,
}

impl<T: Fields> Selections<T> {
    /// Of the fields that show such an object; None where none of them can be written.
    pub fn of(context: &Context<'_>, shown_by: &[Lookahead<'_>]) -> Option<Arc<Self>> {
        let request = context.request();
        if !request.writes_at_once {
            return None;
        }
        let fields: Vec<_> = shown_by.iter().flat_map(Lookahead::selection_fields).collect();
        let name_of = |field: &SelectionField<'_>| field.alias().unwrap_or(field.name()).to_owned();
        let by_name: Vec<_> = fields.iter().filter_map(|field| Some((name_of(field), Selection::of(field)?))).collect();
        // Fields of one name, each within a field of another one: which of them shows a row could not be told.
        let is_ambiguous = |name: &String| fields.iter().filter(|field| name_of(field) == *name).count() > 1;
        let usable = !by_name.is_empty() && !by_name.iter().any(|(name, _)| is_ambiguous(name));
        usable.then(|| Arc::new(Self { request: request.clone(), by_name }))
    }
}

/// An object that is written where that can be, and else resolved.
pub struct Written<T> {
    pub object: T,
    pub selections: Option<Arc<Selections<T>>>,
}

impl<T: Fields> Written<T> {
    /// The object that this very field shows.
    pub fn alone(context: &Context<'_>, object: T) -> Self {
        Self { object, selections: Selections::of(context, &[context.look_ahead()]) }
    }

    fn json(&self, shown_by: &str) -> Option<JsonText> {
        let selections = self.selections.as_ref()?;
        let (_, selection) = selections.by_name.iter().find(|(name, _)| name == shown_by)?;
        let mut json = JsonText::default();
        selection.write(&self.object, &selections.request, &mut json)?;
        Some(json)
    }
}

impl<T: OutputType + Fields> OutputType for Written<T> {
    fn type_name() -> Cow<'static, str> {
        T::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        T::create_type_info(registry)
    }

    async fn resolve(&self, context: &ContextSelectionSet<'_>, field: &Positioned<Field>) -> ServerResult<Value> {
        match self.json(&field.node.response_key().node) {
            Some(json) => Ok(Value::Binary(json.0.into())),
            None => self.object.resolve(context, field).await,
        }
    }
}

/// The answer's JSON, with what has been written put in place; None where nothing was.
pub fn spliced(answer: &Response) -> Option<Vec<u8>> {
    if !holds_written(&answer.data) {
        return None;
    }
    let mut json = Vec::with_capacity(4096);
    answer.serialize(&mut Serializer::with_formatter(&mut json, Splice)).ok()?;
    Some(json)
}

fn holds_written(value: &Value) -> bool {
    match value {
        Value::Binary(_) => true,
        Value::Object(fields) => fields.values().any(holds_written),
        Value::List(items) => items.iter().any(holds_written),
        _ => false,
    }
}

struct Splice;

impl Formatter for Splice {
    fn write_byte_array<W: ?Sized + io::Write>(&mut self, writer: &mut W, json: &[u8]) -> io::Result<()> {
        writer.write_all(json)
    }
}

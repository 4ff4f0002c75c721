//! File and environment as one tree of sections and texts, each node with the place it came from, and the way from
//! that tree into the structs.
//!
//! The `config` crate reads the YAML. Layers and conversion are our own: the crate's turn 2.7 into 3, `yes` into 1 and
//! variables to lower case in silence, and quote values in errors.

use std::collections::{BTreeMap, btree_map};
use std::fmt;
use std::path::Path;

use config::{ConfigError, FileFormat, Format, Value, ValueKind};
use serde::de::value::{SeqDeserializer, StrDeserializer};
use serde::de::{DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::Error;
use super::values::quoted;

/// A key of the tree with everything below it.
#[derive(Default)]
pub(super) struct Node {
    place: Place,
    content: Content,
}

/// Where a value was set.
#[derive(Clone, Default)]
pub(super) enum Place {
    #[default]
    Defaults,
    File(String),
    Variable(String),
}

#[derive(Default)]
enum Content {
    #[default]
    Nothing,
    Text(String),
    /// A number or boolean of YAML that the file writes in another way (007, 0x1F): good for a number, not for a text.
    Rewritten(String),
    List(Vec<String>),
    /// A list with lists or sections in it, which no key takes.
    NestedList,
    Section(BTreeMap<String, Node>),
}

impl Node {
    /// The tree of a YAML file.
    pub(super) fn read(file: &Path) -> Result<Self, Error> {
        let place = Place::File(file.display().to_string());
        let text = std::fs::read_to_string(file).map_err(|error| {
            Error::new("", &place, format!("cannot be read ({error}); VOICEHIVE_CONFIG names the file"))
        })?;
        let table = match FileFormat::Yaml.parse(None, &text) {
            Ok(table) => table,
            Err(error) if is_empty_root(error.as_ref()) => config::Map::new(),
            Err(error) => return Err(Error::new("", &place, yaml_problem(error.as_ref()))),
        };
        let sections = table.into_iter().map(|(name, value)| {
            let node = Self::from_yaml(&name, value, &place, &text);
            (name, node)
        });
        Ok(Self { content: Content::Section(sections.collect()), place })
    }

    fn from_yaml(name: &str, value: Value, place: &Place, file: &str) -> Self {
        let content = match value.kind {
            ValueKind::Nil => Content::Nothing,
            ValueKind::String(text) => text.into(),
            ValueKind::Array(items) => items
                .into_iter()
                .map(|item| item.into_string().ok())
                .collect::<Option<_>>()
                .map_or(Content::NestedList, Content::List),
            ValueKind::Table(table) => Content::Section(
                table
                    .into_iter()
                    .map(|(name, value)| {
                        let node = Self::from_yaml(&name, value, place, file);
                        (name, node)
                    })
                    .collect(),
            ),
            scalar => {
                let text = scalar.to_string();
                if is_written(file, name, &text) { Content::Text(text) } else { Content::Rewritten(text) }
            }
        };
        Self { place: place.clone(), content }
    }

    /// Puts the value of an environment variable over what is there.
    pub(super) fn set(&mut self, path: &[String], variable: &str, value: String) -> Result<(), Error> {
        let key = path.join(".");
        let mut node = self;
        for name in path {
            node = node.child(name, variable).map_err(|place| {
                Error::new(&key, variable, format!("unknown key, because the key above it is a value in {place}"))
            })?;
        }
        if let (Place::Variable(other), Content::Text(_)) = (&node.place, &node.content) {
            return Err(Error::new(&key, variable, format!("set in {other} too; remove one of the two")));
        }
        *node = Self { place: Place::Variable(variable.to_owned()), content: value.into() };
        Ok(())
    }

    /// The node below, made if it is not there; where this is no section, the place that made it something else.
    fn child(&mut self, name: &str, variable: &str) -> Result<&mut Self, Place> {
        if let Content::Nothing = self.content {
            self.content = Content::Section(BTreeMap::new());
        }
        match &mut self.content {
            Content::Section(nodes) => Ok(nodes
                .entry(name.to_owned())
                .or_insert_with(|| Self { place: Place::Variable(variable.to_owned()), content: Content::Nothing })),
            _ => Err(self.place.clone()),
        }
    }

    /// Where a key was set.
    pub(super) fn place(&self, key: &str) -> Place {
        let mut node = self;
        for name in key.split('.') {
            let Content::Section(nodes) = &node.content else { return Place::Defaults };
            let Some(child) = nodes.get(name) else { return Place::Defaults };
            node = child;
        }
        node.place.clone()
    }

    /// What an error says was found here. Secrets are texts and take any text, so theirs is never asked for.
    fn found(&self) -> String {
        match &self.content {
            Content::Nothing => "nothing".to_owned(),
            Content::Text(text) | Content::Rewritten(text) => quoted(text),
            Content::List(_) => "a list".to_owned(),
            Content::NestedList => "a list of lists or sections".to_owned(),
            Content::Section(_) => "a section".to_owned(),
        }
    }

    fn refused<T>(what: &str) -> Result<T, Error> {
        Err(Error::expected(what))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Defaults => formatter.write_str("the defaults"),
            Self::File(name) | Self::Variable(name) => formatter.write_str(name),
        }
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        if text.is_empty() { Self::Nothing } else { Self::Text(text) }
    }
}

/// Whether the file has a line `name: scalar`, with or without a comment.
fn is_written(file: &str, name: &str, scalar: &str) -> bool {
    file.lines().any(|line| {
        let value = line.trim_start().strip_prefix(name).and_then(|rest| rest.trim_start().strip_prefix(':'));
        value.is_some_and(|value| value.split(" #").next().unwrap_or(value).trim() == scalar)
    })
}

/// A document that holds nothing, as after commenting everything out.
fn is_empty_root(error: &(dyn std::error::Error + 'static)) -> bool {
    root_error(error).is_some_and(|found| found == "unit value")
}

fn root_error(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let error = error.downcast_ref::<ConfigError>().or_else(|| error.downcast_ref::<Box<ConfigError>>().map(|e| &**e));
    match error? {
        ConfigError::Type { unexpected, .. } => Some(unexpected.to_string()),
        _ => None,
    }
}

/// What is wrong with the YAML. Only the parser's own errors, which name a line, are known not to quote values.
fn yaml_problem(error: &(dyn std::error::Error + 'static)) -> String {
    let text = error.to_string();
    let is_parser_error = root_error(error).is_none() && text.contains(" line ") && !text.starts_with("Cannot parse");
    let cause = if is_parser_error { text } else { "expected one document of sections and keys".to_owned() };
    format!("cannot be read as YAML: {cause}")
}

impl<'de> Deserializer<'de> for &'de Node {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.content {
            Content::Nothing => visitor.visit_unit(),
            Content::Text(text) | Content::Rewritten(text) => visitor.visit_borrowed_str(text),
            Content::List(_) | Content::NestedList => self.deserialize_seq(visitor),
            Content::Section(_) => self.deserialize_map(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if let Content::Nothing = self.content { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.content {
            Content::Text(text) => visitor.visit_borrowed_str(text),
            // May be a secret, so nothing of it is told.
            Content::Rewritten(_) => {
                Err(Error::said("", "found a number or boolean, expected a text; put it in quotes"))
            }
            _ => Node::refused("a text"),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.content {
            Content::Text(text) | Content::Rewritten(text) if text == "true" => visitor.visit_bool(true),
            Content::Text(text) | Content::Rewritten(text) if text == "false" => visitor.visit_bool(false),
            _ => Node::refused("true or false"),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match &self.content {
            Content::Text(text) => StrDeserializer::new(text).deserialize_enum(name, variants, visitor),
            _ => Node::refused(&format!("one of {}", variants.join(", "))),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let items: Vec<&str> = match &self.content {
            Content::Nothing => Vec::new(),
            Content::Text(text) => text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect(),
            Content::List(items) => items.iter().map(String::as_str).collect(),
            _ => return Node::refused("a list of texts"),
        };
        visitor.visit_seq(SeqDeserializer::new(items.into_iter()))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        static EMPTY: BTreeMap<String, Node> = BTreeMap::new();
        let nodes = match &self.content {
            // A section whose keys are all commented out.
            Content::Nothing => &EMPTY,
            Content::Section(nodes) => nodes,
            _ => return Node::refused("a section of keys"),
        };
        visitor.visit_map(Keys { nodes: nodes.iter(), current: None })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_map(visitor)
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct newtype_struct tuple
        tuple_struct identifier ignored_any
    }
}

struct Keys<'de> {
    nodes: btree_map::Iter<'de, String, Node>,
    current: Option<(&'de str, &'de Node)>,
}

impl<'de> MapAccess<'de> for Keys<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some((name, node)) = self.nodes.next() else { return Ok(None) };
        self.current = Some((name, node));
        let key: StrDeserializer<'_, Error> = name.as_str().into_deserializer();
        seed.deserialize(key).map(Some).map_err(|error| error.under(name, &node.place, node.found()))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let Some((name, node)) = self.current.take() else { return Node::refused("a key") };
        seed.deserialize(node).map_err(|error| error.under(name, &node.place, node.found()))
    }
}

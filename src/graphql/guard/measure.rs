//! How deep a document goes and what it costs, with each fragment counted once: counting by expansion is what a fragment
//! bomb waits for.

use std::collections::HashMap;

use async_graphql::parser::types::{
    ExecutableDocument, Field, FragmentDefinition, OperationDefinition, Selection, SelectionSet,
};
use async_graphql::{Name, Positioned, Variables};
use async_graphql_value::{ConstValue, Value};

use super::{Refused, bad_input, within};

/// What fields cost that have the database do more than read a column: a count goes over what it counts, a list is a
/// statement, an audit list gathers from several, a password is hashed.
const COSTS: [(&str, u64); 13] = [
    ("accessibleHotels", 5),
    ("apiKeys", 5),
    ("auditEvents", 20),
    ("changePassword", 50),
    ("checkAccess", 5),
    ("createUser", 50),
    ("hotels", 3),
    ("login", 50),
    ("resetUserPassword", 50),
    ("roles", 2),
    ("sessions", 5),
    ("totalCount", 20),
    ("users", 5),
];
/// Mutations whose payload lists as many users as their input names.
const BULK: [&str; 4] = ["assignRoles", "unassignRoles", "assignHotels", "unassignHotels"];
/// Lists without pages, and about how long they are: the roles that a user holds, and what the schema has of everything.
const LISTS: [(&str, u64); 10] = [
    ("args", 2),
    ("directives", 6),
    ("enumValues", 6),
    ("fields", 7),
    ("grantedBy", 2),
    ("inputFields", 5),
    ("interfaces", 2),
    ("possibleTypes", 6),
    ("roles", 2),
    ("types", 60),
];
const DEFAULT_ROWS: u64 = 25;
const MAX_ROWS: u64 = 100;

/// How large a selection is, all fragments expanded.
#[derive(Clone, Copy, Default)]
pub(super) struct Size {
    pub depth: u64,
    /// Selections within selections, fragments counted.
    pub nesting: u64,
    pub cost: u64,
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

pub(super) struct Measure<'a> {
    document: &'a ExecutableDocument,
    /// None where rows do not count.
    variables: Option<&'a Variables>,
    /// By the fragment and what it is counted in.
    fragments: HashMap<(&'a Name, Within), Counted>,
}

/// How many fields of a document have another name in the answer.
pub(super) fn aliases(document: &ExecutableDocument) -> u64 {
    fn within(set: &SelectionSet) -> u64 {
        let count = |selection: &Positioned<Selection>| match &selection.node {
            Selection::Field(field) => u64::from(field.node.alias.is_some()) + within(&field.node.selection_set.node),
            Selection::InlineFragment(fragment) => within(&fragment.node.selection_set.node),
            Selection::FragmentSpread(_) => 0,
        };
        set.items.iter().map(count).sum()
    }
    let operations = document.operations.iter().map(|(_, operation)| &operation.node.selection_set.node);
    let fragments = document.fragments.values().map(|fragment| &fragment.node.selection_set.node);
    operations.chain(fragments).map(within).sum()
}

impl<'a> Measure<'a> {
    /// Counts fields by what each costs, once for each row.
    pub fn of_cost(document: &'a ExecutableDocument, variables: &'a Variables) -> Self {
        Self { document, variables: Some(variables), fragments: HashMap::new() }
    }

    /// Counts fields, each once.
    pub fn of_fields_alone(document: &'a ExecutableDocument) -> Self {
        Self { document, variables: None, fragments: HashMap::new() }
    }

    pub fn operation(&mut self, operation: &'a OperationDefinition) -> Result<Size, Refused> {
        self.selections(&operation.selection_set.node, Within::Rows(0))
    }

    /// The names of the root fields, fragments expanded; `allowed` at most, so that expanding them costs nothing.
    pub fn root_fields(&self, operation: &'a OperationDefinition, allowed: u64) -> Result<Vec<&'a str>, Refused> {
        let mut found = Vec::new();
        let mut looked_at = 0;
        self.roots(&operation.selection_set.node, allowed, &mut looked_at, &mut found)?;
        Ok(found)
    }

    fn selections(&mut self, set: &'a SelectionSet, within: Within) -> Result<Size, Refused> {
        let mut size = Size::default();
        for selection in &set.items {
            let one = match &selection.node {
                Selection::Field(field) => self.field(&field.node, within)?,
                Selection::InlineFragment(fragment) => self.selections(&fragment.node.selection_set.node, within)?,
                Selection::FragmentSpread(spread) => self.fragment(&spread.node.fragment_name.node, within)?,
            };
            size.depth = size.depth.max(one.depth);
            size.nesting = size.nesting.max(one.nesting);
            size.cost = size.cost.saturating_add(one.cost);
        }
        size.nesting += u64::from(!set.items.is_empty());
        Ok(size)
    }

    fn field(&mut self, field: &'a Field, within: Within) -> Result<Size, Refused> {
        let name = field.name.node.as_str();
        let Some(variables) = self.variables else {
            let inner = self.selections(&field.selection_set.node, Within::Rows(0))?;
            return Ok(Size { depth: inner.depth + 1, cost: inner.cost.saturating_add(1), ..inner });
        };
        let below = if BULK.contains(&name) {
            Within::Users(users_named(field, variables))
        } else {
            Within::Rows(rows_asked(field, variables))
        };
        let inner = self.selections(&field.selection_set.node, below)?;
        let times = within.times(name);
        let own = COSTS.iter().find(|(costly, _)| *costly == name).map_or(1, |(_, cost)| *cost);
        let times = times.saturating_mul(listed(field, variables));
        let cost = inner.cost.saturating_add(own).saturating_mul(times);
        Ok(Size { depth: inner.depth + 1, cost, ..inner })
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

    fn roots(
        &self,
        set: &'a SelectionSet,
        allowed: u64,
        looked_at: &mut u64,
        found: &mut Vec<&'a str>,
    ) -> Result<(), Refused> {
        for selection in &set.items {
            // Fragments count, too: a thousand empty ways to one field are a thousand.
            *looked_at += 1;
            within("selections at the top", *looked_at, allowed.saturating_mul(2))?;
            match &selection.node {
                Selection::Field(field) => found.push(field.node.name.node.as_str()),
                Selection::InlineFragment(fragment) => {
                    self.roots(&fragment.node.selection_set.node, allowed, looked_at, found)?;
                }
                Selection::FragmentSpread(spread) => {
                    let definition = self.definition(&spread.node.fragment_name.node)?;
                    self.roots(&definition.selection_set.node, allowed, looked_at, found)?;
                }
            }
            within("fields at the top", found.len() as u64, allowed)?;
        }
        Ok(())
    }
}

/// The rows that a field's connection can hold, if it is one: what is asked for, within what is allowed.
fn rows_asked(field: &Field, variables: &Variables) -> u64 {
    let asked = ["first", "last"].into_iter().filter_map(|name| match given(field, name, variables)? {
        ConstValue::Null => None,
        ConstValue::Number(rows) => Some(rows.as_u64().map_or(MAX_ROWS, |rows| rows.clamp(1, MAX_ROWS))),
        _ => Some(MAX_ROWS),
    });
    asked.max().unwrap_or(DEFAULT_ROWS)
}

fn given(field: &Field, argument: &str, variables: &Variables) -> Option<ConstValue> {
    match &field.get_argument(argument)?.node {
        Value::Variable(variable) => variables.get(variable).cloned(),
        value => {
            value.clone().into_const_with(|name| Ok::<_, ()>(variables.get(&name).cloned().unwrap_or_default())).ok()
        }
    }
}

/// How often what stands in a field is there that is no connection, and a list all the same.
fn listed(field: &Field, variables: &Variables) -> u64 {
    let name = field.name.node.as_str();
    // Without a copy: such lists are long.
    let given = |argument| {
        let length = match &field.get_argument(argument)?.node {
            Value::List(items) => items.len(),
            Value::Variable(name) => match variables.get(name)? {
                ConstValue::List(items) => items.len(),
                _ => return None,
            },
            _ => return None,
        };
        Some((length as u64).max(1))
    };
    let named = match name {
        "nodes" => given("ids").map(|ids| ids.min(MAX_ROWS)),
        "checkAccess" => given("checks"),
        "_entities" => given("representations"),
        _ => None,
    };
    if let Some(times) = named {
        return times;
    }
    LISTS.iter().find(|(list, _)| *list == name).map_or(1, |(_, times)| *times)
}

/// How many users a bulk mutation's input names, at least 1.
fn users_named(field: &Field, variables: &Variables) -> u64 {
    let count = |length: usize| u64::try_from(length).unwrap_or(u64::MAX).max(1);
    let in_variable = |name: &Name| match variables.get(name) {
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

//! All roles and hotels, held in memory: they are few and change rarely, so that rows carry ids and are joined here.

use std::collections::HashMap;
use std::sync::Arc;

use sqlx::postgres::PgListener;
use sqlx::{AssertSqlSafe, Executor};
use uuid::Uuid;

use super::changes::Topic;
use super::hotels::Hotel;
use super::page::{Page, PageRequest};
use super::roles::Role;
use super::time::StoredTime;
use super::transaction::begin_reading;
use super::{Scope, hotels};

/// What it is made of.
pub(super) const TOPICS: [Topic; 2] = [Topic::Roles, Topic::Hotels];

/// Every role and hotel, active or not. Who may see which, the reader's [`Scope`] says.
pub struct Catalogue {
    roles: HashMap<Uuid, Arc<Role>>,
    hotels: HashMap<String, Arc<Hotel>>,
    /// The active ones, by id.
    active_hotels: Vec<Arc<Hotel>>,
}

impl Catalogue {
    pub fn role(&self, id: Uuid) -> Option<&Arc<Role>> {
        self.roles.get(&id)
    }

    /// The hotel of this id, where it is in sight.
    pub fn hotel(&self, scope: &Scope, id: &str) -> Option<&Arc<Hotel>> {
        self.hotels.get(id).filter(|_| scope.sees_hotel(id))
    }

    /// A page of the active hotels in sight, by id.
    pub fn active_hotels(&self, scope: &Scope, page: &PageRequest<String>) -> Page<Arc<Hotel>> {
        let in_sight = self.active_hotels.iter().filter(|hotel| scope.sees_hotel(&hotel.id));
        page.of_sorted(in_sight, |hotel| &hotel.id).map(Arc::clone)
    }

    /// How many active hotels are in sight, at most `at_most`.
    pub fn count_active_hotels(&self, scope: &Scope, at_most: Option<i64>) -> i64 {
        let in_sight = self.active_hotels.iter().filter(|hotel| scope.sees_hotel(&hotel.id)).count();
        let count = i64::try_from(in_sight).unwrap_or(i64::MAX);
        at_most.map_or(count, |at_most| count.min(at_most))
    }

    /// A page of these hotels, which are in sight and sorted; None where one of them is not known here.
    pub fn page_of<'a>(
        &self,
        ids: impl DoubleEndedIterator<Item = &'a String>,
        page: &PageRequest<String>,
    ) -> Option<Page<Arc<Hotel>>> {
        let page = page.of_sorted(ids, |id| id);
        let rows = page.rows.iter().map(|id| self.hotels.get(*id).cloned()).collect::<Option<Vec<_>>>()?;
        Some(Page { rows, has_next: page.has_next, has_previous: page.has_previous })
    }
}

pub(super) async fn read(listener: &mut PgListener) -> sqlx::Result<Catalogue> {
    listener.execute(AssertSqlSafe(begin_reading(&Scope::system()))).await?;
    let roles = sqlx::query_as!(
        Role,
        r#"SELECT id, name, display_name, description, permissions, active, system, created_at AS "created_at: StoredTime",
                updated_at AS "updated_at: StoredTime" FROM roles"#
    )
    .fetch_all(&mut *listener)
    .await?;
    let all = format!("SELECT {} FROM hotels h", hotels::COLUMNS);
    let hotels: Vec<Hotel> = sqlx::query_as(AssertSqlSafe(all)).fetch_all(&mut *listener).await?;
    listener.execute("COMMIT").await?;
    let hotels: HashMap<String, Arc<Hotel>> =
        hotels.into_iter().map(|hotel| (hotel.id.clone(), Arc::new(hotel))).collect();
    let mut active_hotels: Vec<_> = hotels.values().filter(|hotel| hotel.active).cloned().collect();
    active_hotels.sort_unstable_by(|one, other| one.id.cmp(&other.id));
    Ok(Catalogue { active_hotels, roles: roles.into_iter().map(|role| (role.id, Arc::new(role))).collect(), hotels })
}

//! The one place that opens a transaction and says in it who asks. Everything else in this floor gets a [`Transaction`].
//!
//! A transaction that is not committed is rolled back, also when the future that held it is dropped half-way, even
//! during BEGIN: the connection goes through ROLLBACK before anyone else gets it, or is closed.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Executor};
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard};
use tracing::Instrument;
use uuid::Uuid;

use super::lease::{Lease, Leases};
use super::{Database, Error, Result};

/// How much longer a transaction may take to begin than to get its connection.
const GRACE: Duration = Duration::from_millis(500);

/// How many SQL statements a request has run, its sign-in check and what opens and ends transactions left out.
#[derive(Clone, Debug, Default)]
pub struct StatementCount(Arc<AtomicU64>);

impl StatementCount {
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn add_one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// What a transaction may see. Made by `identity` from the principal; plain data here.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// The system itself: sign-in before anyone is known, and background work.
    pub system: bool,
    pub user_id: Option<Uuid>,
    pub api_key_id: Option<Uuid>,
    /// Hotel scope ALL.
    pub all_hotels: bool,
    /// Holds user:view.
    pub view_users: bool,
    /// Holds system:monitor or system:admin.
    pub read_audit: bool,
    /// A user who holds system:admin.
    pub see_api_keys: bool,
    /// The hotels assigned to the user or the API key.
    pub hotels: Arc<[String]>,
}

impl Scope {
    pub fn system() -> Self {
        Self { system: true, ..Self::default() }.reaching_all()
    }

    /// The same with everything in sight, for the first wall.
    fn reaching_all(self) -> Self {
        Self { all_hotels: true, view_users: true, read_audit: true, see_api_keys: true, ..self }
    }

    /// The hotels whose people are in sight: colleagues' to a user, to an API key none unless it holds user:view.
    pub fn hotels_of_people(&self) -> Vec<String> {
        let hides_people = self.api_key_id.is_some() && !self.view_users;
        if hides_people { Vec::new() } else { self.hotels.to_vec() }
    }

    /// Whether every user is in sight.
    pub fn all_users(&self) -> bool {
        self.all_hotels && self.view_users
    }

    /// Whether every audit event is in sight.
    pub fn all_events(&self) -> bool {
        self.all_hotels && self.read_audit
    }
}

/// What a transaction may change of others, once the rules have allowed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writes {
    /// Nothing.
    Nothing,
    Users,
    Roles,
    Hotels,
    Sessions,
    ApiKeys,
}

impl Writes {
    fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Users => "users",
            Self::Roles => "roles",
            Self::Hotels => "hotels",
            Self::Sessions => "sessions",
            Self::ApiKeys => "api_keys",
        }
    }
}

/// Which of the two walls between tenants stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walls {
    /// Each statement's own clauses, and row-level security behind them.
    Both,
    /// For the tests that prove the second wall.
    RowSecurityAlone,
}

/// An open transaction, and what it may see.
pub struct Transaction {
    connection: Option<Lease>,
    scope: Scope,
    count: StatementCount,
    open: bool,
}

impl Transaction {
    pub(super) async fn begin(
        leases: &Leases,
        timeout: Duration,
        walls: Walls,
        scope: &Scope,
        count: &StatementCount,
        read_only: bool,
    ) -> Result<Self> {
        let begin = begin_statement(scope, read_only);
        let seen = match walls {
            Walls::Both => scope.clone(),
            Walls::RowSecurityAlone => scope.clone().reaching_all(),
        };
        let until = Instant::now() + timeout;
        let left = || until.saturating_duration_since(Instant::now());
        let open = async {
            loop {
                let connection = Some(leases.acquire(left()).await?);
                let mut transaction = Self { connection, scope: seen.clone(), count: count.clone(), open: true };
                match transaction.raw().execute(AssertSqlSafe(begin.clone())).await {
                    Ok(_) => return Ok(transaction),
                    // Left over from before a restart of the database: take the next one.
                    Err(sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::Tls(_)) => transaction.discard(),
                    Err(sqlx::Error::Database(error))
                        if error.code().is_some_and(|code| code.starts_with("57P") || code.starts_with("08")) =>
                    {
                        transaction.discard();
                    }
                    Err(error) => return Err(Error::from(error)),
                }
            }
        };
        // The connection may be there, and answer nothing.
        let silent = || sqlx::Error::Io(io::Error::new(ErrorKind::TimedOut, "the database does not answer"));
        tokio::time::timeout(timeout + GRACE, open).await.unwrap_or_else(|_| Err(silent().into()))
    }

    /// What this transaction may see, for the clauses of the first wall.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The connection to run one statement on, which is counted.
    pub(super) fn statement(&mut self) -> &mut PgConnection {
        self.count.add_one();
        self.raw()
    }

    /// Goes on as this principal, to write what the rules have allowed: from here on both walls are the principal's own.
    pub async fn act_as(&mut self, scope: &Scope, writes: Writes) -> Result<()> {
        self.raw().execute(AssertSqlSafe(settings_statement(scope, writes))).await?;
        self.scope = scope.clone();
        Ok(())
    }

    /// Lets its statements take as long as they need, and whoever reads or gives the rows: for work on the command line that
    /// goes over everything.
    pub async fn take_time(&mut self) -> Result<()> {
        let forever = "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0";
        self.raw().execute(forever).await?;
        Ok(())
    }

    /// Keeps what was written. Acknowledge nothing before this has returned.
    pub async fn commit(mut self) -> Result<()> {
        self.raw().execute("COMMIT").await?;
        self.open = false;
        Ok(())
    }

    #[expect(clippy::expect_used, reason = "taken by Drop and discard alone, after which nobody has the transaction")]
    fn raw(&mut self) -> &mut PgConnection {
        self.connection.as_mut().expect("an open transaction has its connection")
    }

    fn discard(mut self) {
        self.open = false;
        if let Some(connection) = self.connection.take() {
            connection.discard();
        }
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        if !self.open {
            return;
        }
        // Outside a runtime nothing can be sent any more; closing the connection rolls back just as well.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            connection.discard();
            return;
        };
        let rollback = async move {
            // The statement that was running comes first. A connection that answers nothing after that must not be kept.
            let patience = connection.patience();
            let ended = tokio::time::timeout(patience, connection.execute("ROLLBACK")).await;
            if !matches!(ended, Ok(Ok(_))) {
                connection.discard();
            }
        };
        // Within the request's span: it is one of its statements.
        runtime.spawn(rollback.in_current_span());
    }
}

/// BEGIN and who asks, in one trip.
fn begin_statement(scope: &Scope, read_only: bool) -> String {
    // Reads see one moment, however many statements they take.
    let mode = if read_only { "ISOLATION LEVEL REPEATABLE READ READ ONLY" } else { "READ WRITE" };
    format!("BEGIN {mode}; SET LOCAL ROLE voicehive_app; {}", settings_statement(scope, Writes::Nothing))
}

/// Says who asks. A simple query takes no parameters, so only a uuid, booleans and words of ours may stand in it: their
/// text cannot carry SQL.
fn settings_statement(scope: &Scope, writes: Writes) -> String {
    let principal = match (scope.system, scope.user_id, scope.api_key_id) {
        (true, ..) => "system",
        (false, Some(_), _) => "user",
        (false, None, Some(_)) => "api_key",
        (false, None, None) => "",
    };
    let text = |id: Option<Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
    let (user_id, api_key_id) = (text(scope.user_id), text(scope.api_key_id));
    format!(
        "SELECT set_config('app.principal', '{principal}', true), set_config('app.user_id', '{user_id}', true), \
         set_config('app.api_key_id', '{api_key_id}', true), set_config('app.see_api_keys', '{}', true), \
         set_config('app.all_hotels', '{}', true), set_config('app.view_users', '{}', true), \
         set_config('app.read_audit', '{}', true), set_config('app.writes', '{}', true)",
        scope.see_api_keys,
        scope.all_hotels,
        scope.view_users,
        scope.read_audit,
        writes.as_str()
    )
}

/// The one transaction in which a request reads, begun when it is first needed. A request thus holds one connection at
/// the most, and never waits for a second one while it holds the first.
pub struct Reads {
    database: Database,
    scope: Scope,
    count: StatementCount,
    transaction: Mutex<Option<Transaction>>,
}

impl Reads {
    pub fn new(database: Database, scope: Scope, count: StatementCount) -> Self {
        Self { database, scope, count, transaction: Mutex::new(None) }
    }

    /// The transaction, for one read at a time.
    pub async fn begin(&self) -> Result<MappedMutexGuard<'_, Transaction>> {
        let mut slot = self.transaction.lock().await;
        let transaction = match slot.take() {
            Some(transaction) => transaction,
            None => self.database.read(&self.scope, &self.count).await?,
        };
        Ok(MutexGuard::map(slot, |slot| slot.insert(transaction)))
    }

    /// Ends the transaction, so that what is written next is seen by the reads after it.
    pub async fn end(&self) {
        self.transaction.lock().await.take();
    }
}

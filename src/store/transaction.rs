//! The one place that opens a transaction and says in it who asks. Everything else in this floor gets a [`Transaction`].
//!
//! A transaction that is not committed is rolled back, also when the future that held it is dropped half-way, even
//! during BEGIN: the connection goes through ROLLBACK before anyone else gets it, or is closed.

use std::fmt::Write;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Executor, Postgres, SqlSafeStr};
use sqlx_core::transaction::TransactionManager;
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard};
use tracing::Instrument;
use uuid::Uuid;

use super::changes::{Changes, Topic};
use super::lease::{Lease, Leases};
use super::statement::{Statement, answered};
use super::{Database, Error, Result};

type Manager = <Postgres as sqlx::Database>::TransactionManager;

/// How much longer a transaction may take to begin than to get its connection.
const GRACE: Duration = Duration::from_millis(500);
/// How long work may take that may take as long as it needs.
const FOREVER: Duration = Duration::from_hours(24 * 365);
/// How long after a connection that was of no use another one is tried.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(20);

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
    /// The active ones of the hotels assigned to the user or the API key, sorted.
    pub hotels: Arc<[String]>,
    /// Every hotel assigned to them.
    pub assigned_hotels: Arc<[String]>,
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

    /// Whether the hotel of this id is in sight.
    pub fn sees_hotel(&self, id: &str) -> bool {
        self.all_hotels || self.hotels.binary_search_by(|hotel| hotel.as_str().cmp(id)).is_ok()
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

/// What a transaction begins with.
pub(super) struct Beginning<'a> {
    pub scope: &'a Scope,
    pub count: &'a StatementCount,
    pub read_only: bool,
    pub walls: Walls,
    pub changes: &'a Arc<Changes>,
    /// The limits of time, where connections do not have them from the start.
    pub limits: Option<&'a Arc<str>>,
}

impl Beginning<'_> {
    fn statement(&self) -> String {
        let mut statement = if self.read_only { begin_reading(self.scope) } else { begin_writing(self.scope) };
        if let Some(limits) = self.limits {
            statement.push_str(limits);
        }
        statement
    }
}

/// An open transaction, and what it may see.
pub struct Transaction {
    connection: Option<Lease>,
    scope: Scope,
    count: StatementCount,
    state: State,
    changes: Arc<Changes>,
    /// What it has changed of what is remembered.
    changed: Vec<Topic>,
    /// Whether its connection remembers what is prepared.
    keeps_statements: bool,
    /// How long an answer may take.
    patience: Duration,
}

/// How far a transaction has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Beginning,
    Open,
    Over,
}

impl Transaction {
    pub(super) async fn begin(leases: &Leases, timeout: Duration, beginning: Beginning<'_>) -> Result<Self> {
        let until = Instant::now() + timeout;
        let left = || until.saturating_duration_since(Instant::now());
        let open = async {
            let mut is_first = true;
            loop {
                if !std::mem::take(&mut is_first) {
                    tokio::time::sleep(TRY_AGAIN_AFTER.min(left())).await;
                }
                let lease = leases.acquire(left()).await?;
                if let Some(transaction) = Self::begin_on(lease, &beginning).await? {
                    return Ok(transaction);
                }
            }
        };
        // The connection may be there, and answer nothing.
        let silent = || sqlx::Error::Io(io::Error::new(ErrorKind::TimedOut, "the database does not answer"));
        tokio::time::timeout(timeout + GRACE, open).await.unwrap_or_else(|_| Err(silent().into()))
    }

    /// Begins on this connection. None, and the connection is gone, where another one may do: it is left over from before a
    /// restart of the database, or leads to a server that takes no writes, as one does that was the primary.
    pub(super) async fn begin_on(lease: Lease, beginning: &Beginning<'_>) -> Result<Option<Self>> {
        let statement = beginning.statement();
        let patience = lease.patience();
        let mut transaction = Self {
            connection: Some(lease),
            scope: match beginning.walls {
                Walls::Both => beginning.scope.clone(),
                Walls::RowSecurityAlone => beginning.scope.clone().reaching_all(),
            },
            count: beginning.count.clone(),
            state: State::Beginning,
            changes: beginning.changes.clone(),
            changed: Vec::new(),
            keeps_statements: beginning.limits.is_none(),
            patience,
        };
        let (sent_at, begin) = (Instant::now(), AssertSqlSafe(statement.clone()).into_sql_str());
        match Manager::begin(transaction.raw(), Some(begin)).await {
            Ok(()) => {
                transaction.state = State::Open;
                // As sqlx tells of other statements; of this one it does not.
                let elapsed_secs = sent_at.elapsed().as_secs_f64();
                tracing::trace!(target: "sqlx::query", summary = "BEGIN", db.statement = statement, elapsed_secs);
                Ok(Some(transaction))
            }
            Err(sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::Tls(_)) => {
                transaction.discard();
                Ok(None)
            }
            Err(sqlx::Error::Database(error)) if error.code().is_some_and(|code| is_of_no_use(&code)) => {
                transaction.discard();
                Ok(None)
            }
            Err(error) => Err(Error::from(error)),
        }
    }

    /// What this transaction may see, for the clauses of the first wall.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The connection to run one statement on, which is counted.
    pub(super) fn statement(&mut self) -> Statement<'_> {
        self.count.add_one();
        let (is_kept, patience) = (self.keeps_statements, self.patience);
        Statement { connection: self.raw(), is_kept, patience }
    }

    /// Notes that it changes something that is remembered: when it is over, that holds no more on this server. The others are
    /// told by triggers.
    pub(super) fn changes(&mut self, topic: Topic) {
        self.changed.push(topic);
    }

    /// Goes on as this principal, to write what the rules have allowed: from here on both walls are the principal's own.
    pub async fn act_as(&mut self, scope: &Scope, writes: Writes) -> Result<()> {
        let until = tokio::time::Instant::now() + self.patience;
        answered(until, self.raw().execute(AssertSqlSafe(settings_statement(scope, writes)))).await?;
        self.scope = scope.clone();
        Ok(())
    }

    /// Lets its statements take as long as they need, and whoever reads or gives the rows: for work on the command line that
    /// goes over everything.
    pub async fn take_time(&mut self) -> Result<()> {
        let forever = "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0";
        self.raw().execute(forever).await?;
        self.patience = FOREVER;
        Ok(())
    }

    /// Keeps what was written. Acknowledge nothing before this has returned.
    pub async fn commit(mut self) -> Result<()> {
        let until = tokio::time::Instant::now() + self.patience;
        answered(until, Manager::commit(self.raw())).await?;
        self.state = State::Over;
        Ok(())
    }

    #[expect(clippy::expect_used, reason = "taken by Drop and discard alone, after which nobody has the transaction")]
    fn raw(&mut self) -> &mut PgConnection {
        self.connection.as_mut().expect("an open transaction has its connection")
    }

    fn discard(mut self) {
        self.state = State::Over;
        if let Some(connection) = self.connection.take() {
            connection.discard();
        }
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        // Also where it was rolled back: nobody may know.
        for topic in self.changed.drain(..) {
            self.changes.note(topic);
        }
        let Some(mut connection) = self.connection.take() else { return };
        if self.state == State::Over {
            return;
        }
        // Outside a runtime nothing can be sent any more; closing the connection rolls back just as well.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            connection.discard();
            return;
        };
        if self.state == State::Open {
            // It goes out in one trip with the question whether the connection lives, with which it is given back.
            Manager::start_rollback(&mut connection);
            return;
        }
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

/// SQLSTATEs of a BEGIN that fail for the connection alone: it is being closed (57P, 08), or a transaction that writes
/// cannot begin where the server is a standby (0A000, 25006).
fn is_of_no_use(code: &str) -> bool {
    code.starts_with("57P") || code.starts_with("08") || matches!(code, "0A000" | "25006")
}

/// BEGIN and who asks, in one trip. Reads see one moment, however many statements they take.
pub(super) fn begin_reading(scope: &Scope) -> String {
    format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {}", settings_statement(scope, Writes::Nothing))
}

fn begin_writing(scope: &Scope) -> String {
    format!("BEGIN READ WRITE; {}", settings_statement(scope, Writes::Nothing))
}

/// Says who asks, and what may be changed from here on. A simple query takes no parameters, so only a uuid, booleans and words of
/// ours may stand in it: their text cannot carry SQL.
fn settings_statement(scope: &Scope, writes: Writes) -> String {
    let principal = match (scope.system, scope.user_id, scope.api_key_id) {
        (true, ..) => "system",
        (false, Some(_), _) => "user",
        (false, None, Some(_)) => "api_key",
        (false, None, None) => "",
    };
    // As the wider role the policies need not ask row by row what is true of every row.
    let role = if scope.system || scope.all_users() { "voicehive_all" } else { "voicehive_app" };
    let mut statement =
        format!("SELECT set_config('role', '{role}', true), set_config('app.principal', '{principal}', true)");
    let text = |id: Option<Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
    let switch = |on: bool| if on { "true" } else { "" }.to_owned();
    for (name, value) in [
        ("user_id", text(scope.user_id)),
        ("api_key_id", text(scope.api_key_id)),
        ("see_api_keys", switch(scope.see_api_keys)),
        ("all_hotels", switch(scope.all_hotels)),
        ("view_users", switch(scope.view_users)),
        ("read_audit", switch(scope.read_audit)),
        ("writes", writes.as_str().to_owned()),
    ] {
        // All of them: a database or a role may have been given others.
        let _ = write!(statement, ", set_config('app.{name}', '{value}', true)");
    }
    statement
}

/// The one transaction in which a request reads, begun when it is first needed. A request thus holds one connection at
/// the most, and never waits for a second one while it holds the first.
pub struct Reads {
    database: Database,
    scope: Scope,
    count: StatementCount,
    slot: Mutex<Slot>,
}

#[derive(Default)]
struct Slot {
    transaction: Option<Transaction>,
    /// Something has been written meanwhile: what is read from here on is read where it was.
    wrote: bool,
}

impl Reads {
    pub fn new(database: Database, scope: Scope, count: StatementCount) -> Self {
        Self { database, scope, count, slot: Mutex::default() }
    }

    /// The transaction, for one read at a time.
    pub async fn begin(&self) -> Result<MappedMutexGuard<'_, Transaction>> {
        let mut slot = self.slot.lock().await;
        let transaction = match slot.transaction.take() {
            Some(transaction) => transaction,
            None if slot.wrote => self.database.read(&self.scope, &self.count).await?,
            None => self.database.read_anywhere(&self.scope, &self.count).await?,
        };
        Ok(MutexGuard::map(slot, |slot| slot.transaction.insert(transaction)))
    }

    /// Ends the transaction, so that what is written next is seen by the reads after it.
    pub async fn end(&self) {
        *self.slot.lock().await = Slot { transaction: None, wrote: true };
    }
}

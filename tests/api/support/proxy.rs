//! A proxy between the server and PostgreSQL that a test can cut, freeze and restore.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;

/// Passes connections on to a PostgreSQL socket while it is whole.
pub struct Proxy {
    address: SocketAddr,
    state: watch::Sender<State>,
    trips: Arc<AtomicU64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Whole,
    /// Connections break, and none is taken.
    Cut,
    /// Nothing comes through any more on what is connected, and nobody is told.
    Frozen,
    /// The same for the connection alone on which a server hears of changes.
    DeafToChanges,
    /// The same for a connection whose transaction has ended, when it is asked whether it lives.
    FreezingAtRest,
}

impl Proxy {
    pub async fn before(options: &PgConnectOptions) -> Self {
        let socket = options.get_socket().expect("the tests' PostgreSQL is reached by its socket");
        let socket: PathBuf = socket.join(format!(".s.PGSQL.{}", options.get_port()));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (sender, state) = watch::channel(State::Whole);
        let trips = Arc::<AtomicU64>::default();
        let counted = trips.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // Who hears of changes may connect, and hears nothing.
                if matches!(*state.borrow(), State::Whole | State::DeafToChanges) {
                    tokio::spawn(pass(client, socket.clone(), state.clone(), counted.clone()));
                }
            }
        });
        Self { address, state: sender, trips }
    }

    /// The same database, through the proxy.
    pub fn options(&self, options: &PgConnectOptions) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(self.address.port())
            .username(options.get_username())
            .database(options.get_database().expect("a database"))
            .ssl_mode(sqlx::postgres::PgSslMode::Disable)
    }

    /// Breaks every connection, and takes no new ones.
    pub fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    /// What is connected stays so and is silent for good; no new connection is taken.
    pub fn freeze(&self) {
        self.state.send_replace(State::Frozen);
    }

    /// Connections fall silent as soon as they are given back.
    pub fn freeze_at_rest(&self) {
        self.state.send_replace(State::FreezingAtRest);
    }

    /// Servers hear of no more changes, and nobody tells them that they do not.
    pub fn deafen_to_changes(&self) {
        self.state.send_replace(State::DeafToChanges);
    }

    /// How often a client has waited for the database's answer, but for asking whether it still hears of changes.
    pub fn trips(&self) -> u64 {
        self.trips.load(Ordering::Relaxed)
    }

    pub fn restore(&self) {
        self.state.send_replace(State::Whole);
    }
}

async fn pass(client: TcpStream, socket: PathBuf, mut state: watch::Receiver<State>, trips: Arc<AtomicU64>) {
    let Ok(server) = UnixStream::connect(socket).await else { return };
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    let Ok(startup) = first_message(&mut from_client).await else { return };
    let hears_changes = startup.windows(17).any(|part| part == b"voicehive changes");
    if to_server.write_all(&startup).await.is_err() {
        return;
    }
    let trips = if hears_changes { Arc::default() } else { trips };
    let at_rest = state.clone();
    let ends = |state: &State| match state {
        State::Cut | State::Frozen => true,
        State::DeafToChanges => hears_changes,
        State::Whole | State::FreezingAtRest => false,
    };
    let frozen = tokio::select! {
        _ = count_trips(&mut from_client, &mut to_server, &trips, &at_rest) => false,
        _ = tokio::io::copy(&mut from_server, &mut to_client) => false,
        state = state.wait_for(ends) => state.is_ok_and(|state| *state != State::Cut),
    };
    if frozen {
        std::future::pending::<()>().await;
    }
}

/// The message with which a connection begins, which has no type.
async fn first_message(client: &mut OwnedReadHalf) -> std::io::Result<Vec<u8>> {
    let length = client.read_u32().await?;
    let mut message = length.to_be_bytes().to_vec();
    message.resize(usize::try_from(length).expect("fits"), 0);
    client.read_exact(&mut message[4..]).await?;
    Ok(message)
}

/// Passes messages on; those that PostgreSQL answers before anything else are counted (Query and Sync).
async fn count_trips(
    client: &mut OwnedReadHalf,
    server: &mut OwnedWriteHalf,
    trips: &AtomicU64,
    state: &watch::Receiver<State>,
) -> std::io::Result<()> {
    let mut before = b' ';
    loop {
        let kind = client.read_u8().await?;
        // Rolled back, and asked whether it lives.
        if (before, kind) == (b'Q', b'S') && *state.borrow() == State::FreezingAtRest {
            std::future::pending::<()>().await;
        }
        let length = client.read_u32().await?;
        let mut message = vec![kind];
        message.extend(length.to_be_bytes());
        message.resize(1 + usize::try_from(length).expect("fits"), 0);
        client.read_exact(&mut message[5..]).await?;
        server.write_all(&message).await?;
        // A rollback goes out in one with the question that follows it.
        if kind == b'Q' && !message[5..].starts_with(b"ROLLBACK") || kind == b'S' {
            trips.fetch_add(1, Ordering::Relaxed);
        }
        before = kind;
    }
}

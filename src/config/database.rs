//! How to reach the database.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::values::{Secret, duration, whole};

/// How to reach the database. With neither `url` nor `host` the server runs one of its own.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DatabaseConfig {
    /// The whole address as postgres://user:password@host:port/database, instead of the parts. Default: none.
    pub url: Option<Secret>,
    /// Host name, address or socket folder; or several of them with commas between, each with `:port` where it has one of
    /// its own, of which the primary is found and found again after a failover. Default: none.
    pub host: Option<String>,
    /// Port. Default 5432.
    #[serde(deserialize_with = "whole::<1, 65_535, _, _>")]
    pub port: u16,
    /// What stands at that address. Default none: `PostgreSQL` itself, or what passes every connection on as it is.
    pub pooler: Pooler,
    /// Where `PostgreSQL` itself is, past a pooler, for migrations and notifications: written as `host`. Default: the same.
    pub direct_host: Option<String>,
    /// Port there. Default 5432.
    #[serde(deserialize_with = "whole::<1, 65_535, _, _>")]
    pub direct_port: u16,
    /// One replica, or what balances between several, that lists and look-ups may be read from. Default: none.
    pub replica_host: Option<String>,
    /// Port there. Default 5432.
    #[serde(deserialize_with = "whole::<1, 65_535, _, _>")]
    pub replica_port: u16,
    /// Name of the database. Default voicehive.
    pub database: String,
    /// Role to connect as. Default voicehive.
    pub username: String,
    /// Password of that role. Default: none.
    pub password: Option<Secret>,
    /// Role that owns the tables and applies migrations, where another one serves. Default: the same.
    pub migration_username: Option<String>,
    /// Password of that role. Default: that of the role that serves.
    pub migration_password: Option<Secret>,
    /// Whether to serve as a superuser or a role that bypasses policies. Default false.
    pub allow_superuser: bool,
    /// Encryption of the connection. Default: what the URL says, else prefer.
    pub ssl_mode: Option<SslMode>,
    /// The certificates (PEM) by which the server's own is checked. Default: those of public authorities.
    pub ssl_root_certificate: Option<PathBuf>,
    /// The certificate (PEM) to show the server. Default: none.
    pub ssl_certificate: Option<PathBuf>,
    /// The private key (PEM) of that certificate. Default: none.
    pub ssl_key: Option<PathBuf>,
    /// Connections that are kept open. Default 10.
    #[serde(deserialize_with = "whole::<1, 10_000, _, _>")]
    pub pool_size: u32,
    /// Connections above the pool that a burst may open. Default 20.
    #[serde(deserialize_with = "whole::<0, 10_000, _, _>")]
    pub max_overflow: u32,
    /// How long background work waits for a connection. Default 30 s.
    #[serde(deserialize_with = "duration")]
    pub pool_timeout: Duration,
    /// How long a request waits for a connection. Default 3 s.
    #[serde(deserialize_with = "duration")]
    pub request_timeout: Duration,
    /// Age at which a connection is replaced. Default 1 h.
    #[serde(deserialize_with = "duration")]
    pub recycle: Duration,
    /// How long one statement may run. Default 30 s.
    #[serde(deserialize_with = "duration")]
    pub statement_timeout: Duration,
    /// How long one statement waits for a lock. Default 10 s.
    #[serde(deserialize_with = "duration")]
    pub lock_timeout: Duration,
    /// How long a transaction may be open and do nothing. Default 1 min.
    #[serde(deserialize_with = "duration")]
    pub idle_transaction_timeout: Duration,
}

/// Encryption of the database connection, in the words of `PostgreSQL`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum SslMode {
    Disable,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

/// What hands out connections before the database.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Pooler {
    None,
    /// Each transaction gets another connection, as from `PgBouncer` in its transaction mode.
    Transaction,
}

/// The addresses in a list such as `db1,db2:5433,[::1]:5434`; None where there is none that could be meant.
pub fn addresses(list: &str, port: u16) -> Option<Vec<(String, u16)>> {
    list.split(',').map(|one| address(one.trim(), port)).collect()
}

fn address(text: &str, usual_port: u16) -> Option<(String, u16)> {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, rest)) => (host, Some(rest.strip_prefix(':')?)),
        // A bare address of IPv6 holds several colons, and a folder may hold any.
        None if text.starts_with('/') || text.matches(':').count() > 1 => (text, None),
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let port = match port {
        Some(port) => port.parse().ok().filter(|port| *port > 0)?,
        None => usual_port,
    };
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_addresses_is_read_or_refused() {
        let table: [(&str, Option<&[(&str, u16)]>); 14] = [
            ("db", Some(&[("db", 5432)])),
            ("db1,db2", Some(&[("db1", 5432), ("db2", 5432)])),
            ("db1, db2:5433", Some(&[("db1", 5432), ("db2", 5433)])),
            ("10.0.0.1:6432", Some(&[("10.0.0.1", 6432)])),
            ("::1", Some(&[("::1", 5432)])),
            ("[::1]", Some(&[("::1", 5432)])),
            ("[::1]:5433,db", Some(&[("::1", 5433), ("db", 5432)])),
            ("/var/run/postgresql", Some(&[("/var/run/postgresql", 5432)])),
            ("", None),
            ("db1,", None),
            (":5432", None),
            ("db:0", None),
            ("db:port", None),
            ("[::1]5432", None),
        ];
        for (list, expected) in table {
            let read = addresses(list, 5432);
            let read: Option<Vec<_>> =
                read.as_ref().map(|all| all.iter().map(|(host, port)| (host.as_str(), *port)).collect());
            assert_eq!(read.as_deref(), expected, "{list}");
        }
    }
}

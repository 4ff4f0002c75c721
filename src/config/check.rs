//! The rules that need more than one key, or must not show what they found.

use std::path::Path;
use std::time::Duration;

use zeroize::Zeroizing;

use super::database::addresses;
use super::tree::Node;
use super::values::quoted;
use super::{
    AdministratorConfig, AuditConfig, AuthConfig, Config, DatabaseConfig, Error, LimitsConfig, Pooler, Secret, SslMode,
};

/// `PostgreSQL` keeps its time-outs in milliseconds, in 32 bits.
const LONGEST_TIMEOUT: Duration = Duration::from_millis(i32::MAX as u64);

/// The database refuses to drop anything younger.
const SHORTEST_RETENTION: Duration = Duration::from_hours(30 * 24);

/// What may stand behind the question mark of a database's URL.
const URL_PARAMETERS: [&str; 7] =
    ["sslmode", "sslrootcert", "sslcert", "sslkey", "application_name", "options", "host"];

impl Config {
    pub(super) fn check(&self, tree: &Node) -> Result<(), Error> {
        self.database.check(tree)?;
        self.auth.check(tree)?;
        self.audit.check(tree)?;
        let http = &self.http;
        if http.tls_certificate.is_some() != http.tls_key.is_some() {
            let missing = if http.tls_key.is_none() { "http.tls_key" } else { "http.tls_certificate" };
            let problem = "found nothing, expected a file: a certificate and its key go together";
            return Err(Error::new(missing, tree.place(missing), problem));
        }
        self.limits.check(tree)?;
        if self.graphql.only_trusted_documents && self.graphql.trusted_documents.is_none() {
            let key = "graphql.trusted_documents";
            let problem = "found nothing, expected a manifest, as graphql.only_trusted_documents is on";
            return Err(Error::new(key, tree.place(key), problem));
        }
        self.bootstrap.administrator.as_ref().map_or(Ok(()), |administrator| administrator.check(tree))
    }
}

impl LimitsConfig {
    /// How many times as much as this must be taken at once, so that one body of the largest size finds room.
    fn least(&self) -> [(&'static str, usize, usize); 2] {
        [("body_bytes", self.body_bytes, 2), ("stranger_body_bytes", self.stranger_body_bytes.min(self.body_bytes), 8)]
    }

    /// Bytes of bodies that are read at once.
    pub fn bodies_at_once(&self) -> usize {
        let least = self.least().into_iter().map(|(_, bytes, share)| bytes * share);
        self.bodies_bytes.unwrap_or_else(|| least.fold(8 * 1024 * 1024, usize::max))
    }

    fn check(&self, tree: &Node) -> Result<(), Error> {
        let Some(found) = self.bodies_bytes else { return Ok(()) };
        let key = "limits.bodies_bytes";
        for (other, bytes, share) in self.least() {
            if found / share < bytes {
                let problem =
                    format!("found {found}, expected at least {share} times limits.{other}, which is {bytes}");
                return Err(Error::new(key, tree.place(key), problem));
            }
        }
        Ok(())
    }
}

impl DatabaseConfig {
    fn check(&self, tree: &Node) -> Result<(), Error> {
        let refuse = |key, problem: &str| Err(Error::new(key, tree.place(key), problem));
        if let (Some(_), Some(_)) = (&self.url, &self.host) {
            let url = tree.place("database.url");
            let problem = format!(
                "database.url is set in {url} too; remove database.host to use the URL, \
                 or database.url to use the parts"
            );
            return refuse("database.host", &problem);
        }
        if let Some(url) = self.url.as_ref().map(Secret::expose)
            && !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme))
        {
            return refuse(
                "database.url",
                "found something else, expected a URL that begins with postgres:// or postgresql://",
            );
        }
        if self.host.as_ref().is_some_and(|host| host.contains("://") || host.contains('@')) {
            return refuse(
                "database.host",
                "found more than a host, expected a name, an address or a socket folder; a URL belongs in database.url",
            );
        }
        self.check_addresses(tree)?;
        for (key, timeout) in [
            ("database.statement_timeout", self.statement_timeout),
            ("database.lock_timeout", self.lock_timeout),
            ("database.idle_transaction_timeout", self.idle_transaction_timeout),
        ] {
            if timeout > LONGEST_TIMEOUT {
                return refuse(key, "found more than PostgreSQL takes, expected at most 24d");
            }
        }
        if self.ssl_certificate.is_some() != self.ssl_key.is_some() {
            let missing = if self.ssl_key.is_none() { "database.ssl_key" } else { "database.ssl_certificate" };
            return refuse(missing, "found nothing, expected a file: a certificate and its key go together");
        }
        self.check_url_parameters(tree)?;
        if self.ssl_mode == Some(SslMode::Disable) && self.ssl_key.is_some() {
            return refuse("database.ssl_mode", "found disable beside certificates, expected require or verify-full");
        }
        let verifies = matches!(self.ssl_mode, Some(SslMode::VerifyCa | SslMode::VerifyFull))
            || self.url_parameter("sslmode").is_some_and(|mode| mode.starts_with("verify-"));
        if !verifies && (self.ssl_root_certificate.is_some() || self.url_parameter("sslrootcert").is_some()) {
            return refuse(
                "database.ssl_mode",
                "found a root certificate that nothing would be checked by, expected verify-ca or verify-full",
            );
        }
        if self.migration_password.is_some() && self.migration_username.is_none() {
            return refuse(
                "database.migration_username",
                "found nothing, expected the role that database.migration_password belongs to",
            );
        }
        Ok(())
    }
}

impl DatabaseConfig {
    fn check_addresses(&self, tree: &Node) -> Result<(), Error> {
        let refuse = |key, problem: &str| Err(Error::new(key, tree.place(key), problem));
        let read = |key, list: &Option<String>, port| match list.as_deref().map(|list| addresses(list, port)) {
            None => Ok(0),
            Some(Some(read)) => Ok(read.len()),
            Some(None) => {
                refuse(key, "found no list of addresses, expected one such as db1.example.org,db2.example.org:5433")
                    .map(|()| 0)
            }
        };
        let hosts = read("database.host", &self.host, self.port)?;
        let direct = read("database.direct_host", &self.direct_host, self.direct_port)?;
        let replicas = read("database.replica_host", &self.replica_host, self.replica_port)?;
        if replicas > 1 {
            return refuse(
                "database.replica_host",
                "found several, expected one; what balances between replicas is one",
            );
        }
        if self.pooler == Pooler::Transaction && direct == 0 {
            let problem = "found nothing, expected where PostgreSQL itself is: migrations and notifications cannot go by way \
                           of a pooler";
            return refuse("database.direct_host", problem);
        }
        if self.pooler == Pooler::Transaction && hosts > 1 {
            return refuse(
                "database.host",
                "found several, expected one pooler; the servers belong in database.direct_host",
            );
        }
        if self.url.is_none() && self.host.is_none() {
            for (key, found) in [("database.direct_host", direct), ("database.replica_host", replicas)] {
                if found > 0 {
                    return refuse(
                        key,
                        "found one beside no database.host and no database.url, expected one of those too",
                    );
                }
            }
        }
        Ok(())
    }

    /// Names and values of what stands behind the URL's question mark, as they are written.
    fn url_parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        let parameters = self.url.as_ref().and_then(|url| url.expose().split_once('?'));
        let parameters = parameters.map_or("", |(_, parameters)| parameters).split('&');
        parameters.filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")))
    }

    fn url_parameter(&self, wanted: &str) -> Option<&str> {
        self.url_parameters().find(|(name, _)| *name == wanted).map(|(_, value)| value)
    }

    /// The driver would log one that it does not know, with its value, which may be a secret.
    fn check_url_parameters(&self, tree: &Node) -> Result<(), Error> {
        let refuse = |key, problem: &str| Err(Error::new(key, tree.place(key), problem));
        if let Some((unknown, _)) = self.url_parameters().find(|(name, _)| !URL_PARAMETERS.contains(name)) {
            let problem = format!(
                "found the unknown parameter {}, expected one of {}",
                quoted(unknown),
                URL_PARAMETERS.join(", ")
            );
            return refuse("database.url", &problem);
        }
        if self.ssl_mode.is_some() && self.url_parameter("sslmode").is_some() {
            return refuse("database.ssl_mode", "found one beside the URL's sslmode, expected it in one place");
        }
        Ok(())
    }
}

impl AuthConfig {
    fn check(&self, tree: &Node) -> Result<(), Error> {
        let access = ("auth.access_token_lifetime", self.access_token_lifetime);
        let session = ("auth.session_lifetime", self.session_lifetime);
        let remembered = ("auth.remember_me_lifetime", self.remember_me_lifetime);
        let refuse = |(key, found): (&str, Duration), relation, (other, limit): (&str, Duration)| {
            let (found, limit, place) = (found.as_secs(), limit.as_secs(), tree.place(other));
            let problem = format!("found {found}s, expected {relation} {other}, which is {limit}s in {place}");
            Err(Error::new(key, tree.place(key), problem))
        };
        if access.1 >= session.1 {
            return refuse(access, "less than", session);
        }
        if session.1 > remembered.1 {
            return refuse(session, "at most", remembered);
        }
        Ok(())
    }
}

impl AuditConfig {
    const RETENTION: &str = "audit.retention";

    fn check(&self, tree: &Node) -> Result<(), Error> {
        match self.retention {
            Some(retention) if retention < SHORTEST_RETENTION => {
                let problem = format!("found {}s, expected at least 30d", retention.as_secs());
                Err(Error::new(Self::RETENTION, tree.place(Self::RETENTION), problem))
            }
            _ => Ok(()),
        }
    }
}

impl AdministratorConfig {
    const EMAIL: &str = "bootstrap.administrator.email";
    const PASSWORD_FILE: &str = "bootstrap.administrator.password_file";

    /// The password, read from its file where it stands in one.
    pub fn password(&self) -> Result<Secret, Error> {
        match (&self.password, &self.password_file) {
            (Some(password), None) => Ok(password.clone()),
            (None, Some(file)) => read_password(file).map_err(|problem| Error::said(Self::PASSWORD_FILE, problem)),
            (both, _) => {
                let found = if both.is_some() { "both" } else { "neither" };
                let problem = format!("found {found}, expected exactly one of password and password_file");
                Err(Error::said("bootstrap.administrator", problem))
            }
        }
    }

    fn check(&self, tree: &Node) -> Result<(), Error> {
        if !self.email.contains('@') {
            let problem = format!("found {}, expected an email address", quoted(&self.email));
            return Err(Error::new(Self::EMAIL, tree.place(Self::EMAIL), problem));
        }
        self.password().map(drop).map_err(|error| {
            let place = tree.place(error.key());
            error.placed(place)
        })
    }
}

fn read_password(file: &Path) -> Result<Secret, String> {
    let name = file.display();
    let text = std::fs::read_to_string(file).map_err(|error| format!("{name} cannot be read: {error}"))?;
    let text = Zeroizing::new(text);
    let password = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    if password.is_empty() {
        return Err(format!("{name} is empty, expected a password"));
    }
    Ok(Secret::from(password.to_owned()))
}

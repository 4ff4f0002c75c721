//! TLS of the server's own. The certificate is read again when its files change, so that renewing it stops nothing.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("http.tls: {path} cannot be read as PEM: {problem}")]
    Unreadable { path: String, problem: String },
    #[error("http.tls: {certificate} and {key} cannot be used together: {problem}")]
    Unusable { certificate: String, key: String, problem: String },
}

/// A certificate with its key, as the files have them by now.
pub struct Certificate {
    chain_file: PathBuf,
    key_file: PathBuf,
    current: RwLock<TlsAcceptor>,
    /// When the files were changed that the current one is of.
    changed_at: Mutex<[Option<SystemTime>; 2]>,
}

impl Certificate {
    /// Reads a chain of certificates and a private key, both in PEM.
    pub fn read(chain_file: PathBuf, key_file: PathBuf) -> Result<Self, TlsError> {
        let changed_at = changed_at(&chain_file, &key_file);
        let acceptor = acceptor(&chain_file, &key_file)?;
        Ok(Self { chain_file, key_file, current: RwLock::new(acceptor), changed_at: Mutex::new(changed_at) })
    }

    /// Looks at the files again and again, until `stop`. What cannot be used is told, and the one before stays.
    pub async fn follow(&self, stop: CancellationToken) {
        while tokio::time::timeout(LOOK_EVERY, stop.cancelled()).await.is_err() {
            match self.look() {
                Ok(true) => tracing::info!("tls_certificate_reloaded"),
                Ok(false) => {}
                // Perhaps only one of the two has been written yet.
                Err(error) => tracing::warn!(%error, "tls_certificate_not_reloaded"),
            }
        }
    }

    /// Reads the files again if they have changed; whether they had. New connections get what is in them.
    pub fn look(&self) -> Result<bool, TlsError> {
        let now = changed_at(&self.chain_file, &self.key_file);
        let mut seen = self.changed_at.lock().unwrap_or_else(PoisonError::into_inner);
        if now == *seen {
            return Ok(false);
        }
        let acceptor = acceptor(&self.chain_file, &self.key_file)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = acceptor;
        *seen = now;
        Ok(true)
    }

    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let acceptor = self.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        acceptor.accept(stream).await
    }
}

fn changed_at(certificate: &Path, key: &Path) -> [Option<SystemTime>; 2] {
    [certificate, key].map(|file| file.metadata().and_then(|about| about.modified()).ok())
}

fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor, TlsError> {
    let unreadable = |path: &Path, problem: rustls_pki_types::pem::Error| TlsError::Unreadable {
        path: path.display().to_string(),
        problem: problem.to_string(),
    };
    let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|problem| unreadable(certificate, problem))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|problem| unreadable(key, problem))?;
    // Named: a process may have several such libraries in it, and then none is the default one.
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private));
    let mut config = config.map_err(|problem| TlsError::Unusable {
        certificate: certificate.display().to_string(),
        key: key.display().to_string(),
        problem: problem.to_string(),
    })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

//! TLS towards the broker: rustls with ring, and no provider of the process as a whole.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::config::TlsConfig;

/// Why TLS cannot be set up from its files.
#[derive(Debug, thiserror::Error)]
pub(super) enum TlsError {
    #[error("cannot read {}: {source}", file.display())]
    Unreadable { file: PathBuf, source: std::io::Error },
    #[error("{} is not PEM: {reason}", file.display())]
    Malformed { file: PathBuf, reason: String },
    #[error("there is no {what} in {}", file.display())]
    Missing { what: &'static str, file: PathBuf },
    #[error("the certificates do not fit: {0}")]
    Unfit(#[from] rustls::Error),
}

/// Reads the files and makes of them what rustls wants.
pub(super) async fn client(config: &TlsConfig) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&config.ca_file).await? {
        roots.add(certificate)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let client = match &config.client {
        None => builder.with_no_client_auth(),
        Some(own) => builder.with_client_auth_cert(certificates(&own.cert_file).await?, key(&own.key_file).await?)?,
    };
    Ok(Arc::new(client))
}

async fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = read(file).await?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match found {
        Ok(found) if found.is_empty() => Err(TlsError::Missing {
            what: "certificate",
            file: file.to_owned(),
        }),
        Ok(found) => Ok(found),
        Err(error) => Err(malformed(file, &error)),
    }
}

async fn key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    match PrivateKeyDer::from_pem_slice(&read(file).await?) {
        Ok(key) => Ok(key),
        Err(rustls::pki_types::pem::Error::NoItemsFound) => Err(TlsError::Missing {
            what: "private key",
            file: file.to_owned(),
        }),
        Err(error) => Err(malformed(file, &error)),
    }
}

async fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    tokio::fs::read(file).await.map_err(|source| TlsError::Unreadable {
        file: file.to_owned(),
        source,
    })
}

fn malformed(file: &Path, error: &rustls::pki_types::pem::Error) -> TlsError {
    TlsError::Malformed {
        file: file.to_owned(),
        reason: error.to_string(),
    }
}

//! TLS by rustls: from the files an operator has to a configuration, and from a connection to an encrypted one.

use std::{path::Path, sync::Arc};

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

/// Why certificate and key can't be used. The operator's to mend.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The certificates can't be read.
    #[error("{path}: no PEM certificates to be read there: {reason}")]
    Certificates {
        /// The file.
        path: String,
        /// What went wrong.
        reason: String,
    },
    /// The key can't be read.
    #[error("{path}: no PEM private key to be read there: {reason}")]
    Key {
        /// The file.
        path: String,
        /// What went wrong.
        reason: String,
    },
    /// They don't fit together, or are of a kind that is not supported.
    #[error("certificate and key can't be used together: {0}")]
    Pair(String),
}

/// TLS 1.2 and 1.3 without client certificates, ALPN `http/1.1`, from PEM files: the chain with the server's own certificate
/// first, and its private key (PKCS #8, PKCS #1 or SEC 1).
///
/// # Errors
/// A file can't be read, has nothing of the kind in it, or the two don't fit together.
pub fn tls_config(certificates: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(certificates).and_then(|certificates| certificates.collect());
    let unreadable = |reason: String| TlsError::Certificates { path: certificates.display().to_string(), reason };
    let chain = chain.map_err(|error| unreadable(error.to_string()))?;
    if chain.is_empty() {
        return Err(unreadable("there is none in the file".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| TlsError::Key { path: key.display().to_string(), reason: error.to_string() })?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| TlsError::Pair(error.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

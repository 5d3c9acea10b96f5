//! `Roots`: whose certificates are believed; and the HTTP client that is made where none is given.

use std::sync::{Arc, OnceLock};

use reqwest::redirect;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use rustls_platform_verifier::BuilderVerifierExt;

use crate::error::{ApplicationFault, Doing, Error};

/// Whose certificates are believed. TLS is rustls in any case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Roots {
    /// Those that the system trusts, and its administrator. They are read once in a process.
    #[default]
    System,
    /// Those of Mozilla, as they were when this was built: for a container that has none of its own.
    Bundled,
    /// These alone, in PEM: for a server whose certificate one has made oneself.
    Only(Vec<u8>),
}

impl Roots {
    fn config(&self) -> Result<ClientConfig, String> {
        /// Reading them takes milliseconds and memory, which thousands of clients would feel.
        static SYSTEM: OnceLock<ClientConfig> = OnceLock::new();
        if let (Self::System, Some(config)) = (self, SYSTEM.get()) {
            return Ok(config.clone());
        }
        // The provider is given by hand: no other crate's choice, and none of a whole process, changes it.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let config = match self {
            Self::System => {
                let builder = builder.with_platform_verifier().map_err(|error| error.to_string())?;
                SYSTEM.get_or_init(|| builder.with_no_client_auth()).clone()
            }
            Self::Bundled => {
                let roots = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect::<RootCertStore>();
                builder.with_root_certificates(roots).with_no_client_auth()
            }
            Self::Only(pem) => builder.with_root_certificates(read(pem)?).with_no_client_auth(),
        };
        Ok(config)
    }

    /// The HTTP client that is used where none is given.
    pub(crate) fn http_client(&self) -> Result<reqwest::Client, String> {
        self.http_client_builder()?.build().map_err(|error| error.to_string())
    }

    fn http_client_builder(&self) -> Result<reqwest::ClientBuilder, String> {
        let builder = reqwest::Client::builder()
            .tls_backend_preconfigured(self.config()?)
            .http1_only()
            .tcp_nodelay(true)
            .cookie_store(true)
            .redirect(redirect::Policy::none());
        Ok(builder)
    }
}

/// Begins to make the HTTP client that is used where none is given: with a change or two, it is for
/// [`ClientBuilder::http_client`](crate::ClientBuilder::http_client).
///
/// ```no_run
/// # async fn f() -> Result<(), Box<dyn std::error::Error>> {
/// use bayeux_client::{Client, Roots, http_client_builder, reqwest::Proxy};
///
/// let http = http_client_builder(&Roots::System)?.proxy(Proxy::all("http://proxy.example:3128")?).build()?;
/// let client = Client::builder("https://example.org/bayeux").http_client(http).connect().await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// The roots are no certificates, or those of the system can't be read.
pub fn http_client_builder(roots: &Roots) -> Result<reqwest::ClientBuilder, Error> {
    roots
        .http_client_builder()
        .map_err(|what| Error::Application { doing: Doing::Building, fault: ApplicationFault::Option(what.into()) })
}

fn read(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| format!("the roots are no certificates in PEM: {error}"))?;
        roots.add(certificate).map_err(|error| format!("a root is no certificate: {error}"))?;
    }
    if roots.is_empty() { Err("there is no certificate in PEM in the roots".to_owned()) } else { Ok(roots) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_those_that_are_asked_for() {
        for roots in [Roots::System, Roots::Bundled] {
            assert!(roots.http_client().is_ok(), "{roots:?}");
        }
        for wrong in
            ["", "x", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "-----BEGIN CERTIFICATE-----\n"]
        {
            assert!(Roots::Only(wrong.into()).http_client().is_err(), "{wrong:?}");
        }
    }
}

//! A connection to the peer: TCP, or TLS over it, with a buffer of what was read and not yet used.

use super::{MAX_MESSAGE, WireError};
use std::future::Future;
use std::io::ErrorKind;
use std::sync::Arc;
use std::task::Poll;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

trait Duplex: AsyncRead + AsyncWrite + Unpin {
    fn tcp(&self) -> &TcpStream;
}

impl Duplex for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Duplex for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// Where to connect, and how.
#[derive(Clone)]
pub struct Address {
    /// Host name or IP address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// TLS, if the URL says https or wss.
    pub tls: Option<Arc<ClientConfig>>,
}

/// One connection, and what was read ahead.
pub struct Stream {
    io: Box<dyn Duplex>,
    /// Read and not yet used.
    pub buffer: Vec<u8>,
}

impl Stream {
    /// Connects, with small writes sent at once.
    pub async fn connect(address: &Address) -> Result<Self, WireError> {
        let failed = |error: std::io::Error| WireError::Connect(error.to_string());
        let tcp = TcpStream::connect((address.host.as_str(), address.port)).await.map_err(failed)?;
        tcp.set_nodelay(true).map_err(failed)?;
        let io: Box<dyn Duplex> = match &address.tls {
            None => Box::new(tcp),
            Some(config) => {
                let name = ServerName::try_from(address.host.clone())
                    .map_err(|error| WireError::Connect(error.to_string()))?;
                Box::new(TlsConnector::from(config.clone()).connect(name, tcp).await.map_err(failed)?)
            }
        };
        Ok(Self { io, buffer: Vec::new() })
    }

    /// A connection that was accepted, with small writes sent at once.
    pub fn accepted(tcp: TcpStream) -> Result<Self, WireError> {
        tcp.set_nodelay(true).map_err(|error| ended(&error, false))?;
        Ok(Self { io: Box::new(tcp), buffer: Vec::new() })
    }

    /// Ends it by a reset: whatever is on its way to the peer may be lost.
    pub fn reset(self) {
        // Where it fails, the connection is gone already.
        let _ = self.io.tcp().set_zero_linger();
    }

    /// Writes all of it. Not cancel-safe: a part may have gone out.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        self.io.write_all(bytes).await.map_err(|error| ended(&error, false))?;
        self.io.flush().await.map_err(|error| ended(&error, false))
    }

    /// Ends our direction and leaves the other open.
    pub async fn finish(&mut self) -> Result<(), WireError> {
        self.io.shutdown().await.map_err(|error| ended(&error, false))
    }

    /// Whether a connection that nothing is expected on is still open and silent. Looks once, without waiting: a request that waited here
    /// could be overtaken by one that is sent after it.
    pub async fn is_idle(&mut self) -> bool {
        let mut read = std::pin::pin!(self.fill(false));
        std::future::poll_fn(|context| Poll::Ready(read.as_mut().poll(context).is_pending())).await
    }

    /// Reads more into the buffer. `partial` says whether a message has begun, for the error. Cancel-safe.
    pub async fn fill(&mut self, partial: bool) -> Result<(), WireError> {
        if self.buffer.len() > MAX_MESSAGE {
            return Err(WireError::TooLarge);
        }
        match self.io.read_buf(&mut self.buffer).await {
            Ok(0) => Err(WireError::Closed { partial }),
            Ok(_) => Ok(()),
            Err(error) => Err(ended(&error, partial)),
        }
    }
}

fn ended(error: &std::io::Error, partial: bool) -> WireError {
    match error.kind() {
        ErrorKind::InvalidData => WireError::Malformed(error.to_string()),
        _ => WireError::Closed { partial },
    }
}

/// What TLS trusts: the system's certificates and those of a PEM file.
pub fn tls(extra: Option<&[u8]>) -> Result<Arc<ClientConfig>, String> {
    use tokio_rustls::rustls::pki_types::CertificateDer;
    use tokio_rustls::rustls::pki_types::pem::PemObject;

    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(pem) = extra {
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| format!("not a PEM certificate: {error}"))?;
            roots.add(certificate).map_err(|error| format!("not a certificate to trust: {error}"))?;
        }
    }
    Ok(Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()))
}

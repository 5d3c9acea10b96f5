//! `TrustedProxies`: whose `X-Forwarded-*` headers are believed, and what these say of a client.
//!
//! Anybody can write such headers, and proxies leave what they find there. Only what a listed proxy wrote is believed, which
//! stands last; so they are read from their end.

use std::net::{IpAddr, SocketAddr};

use ipnet::{IpNet, Ipv4Net};

use super::{Head, gate::is_authority};

/// Addresses of `X-Forwarded-For` that are looked at: no way to a server leads through more proxies.
pub(crate) const MAX_PROXIES: usize = 32;

/// The longest address with a port.
const MAX_ADDRESS_BYTES: usize = 64;

/// The proxies whose `X-Forwarded-For`, `-Proto` and `-Host` are believed, by address or network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
}

/// Why a text names no proxies to trust. The operator's to mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// Every address is in it.
    #[error("{0:?} would let anybody claim any address; list the addresses of your proxies")]
    Anybody(String),
    /// It is neither an address nor a network.
    #[error("{0:?} is no address and no network; write it as 127.0.0.1, ::1, 10.0.0.0/8 or fd00::/8")]
    Form(String),
}

impl TrustedProxies {
    /// A list of addresses and networks such as `127.0.0.1` or `10.0.0.0/8`. List proxies alone: a client within may claim to
    /// come from anywhere.
    ///
    /// # Errors
    /// The first text that is neither, or stands for all addresses.
    pub fn parse<S: AsRef<str>>(proxies: impl IntoIterator<Item = S>) -> Result<Self, ProxyError> {
        let networks = proxies.into_iter().map(|text| read_network(text.as_ref())).collect::<Result<_, _>>()?;
        Ok(Self { networks })
    }

    /// Whether an address is listed. One of IPv4 is the same in its IPv6 form, as a socket of both has it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// Puts what the proxies in front say into a head, if its peer is one of them. `values` gives all headers of a name, in order.
    ///
    /// The client is the last address in `X-Forwarded-For` that is not listed. Of scheme and host the last value counts, which is
    /// the nearest proxy's own. What can't be read changes nothing.
    pub(crate) fn apply<'h>(&self, head: &mut Head<'h>, values: impl Fn(&'static str) -> Vec<&'h [u8]>) {
        if !self.contains(head.peer) {
            return;
        }
        head.peer = self.client(head.peer, &values("x-forwarded-for"));
        if let Some(secure) = last(&values("x-forwarded-proto")).and_then(read_scheme) {
            head.secure = secure;
            head.site.secure = Some(secure);
        }
        if let Some(host) = last(&values("x-forwarded-host")).filter(|host| is_authority(host)) {
            head.site.host = Some(host);
        }
    }

    /// Walks from the proxy that is our peer towards the client. Where an address can't be read the way is lost: the one before
    /// is the last that is known.
    fn client(&self, proxy: IpAddr, lines: &[&[u8]]) -> IpAddr {
        let mut client = proxy.to_canonical();
        for entry in lines.iter().rev().flat_map(|line| line.rsplit(|byte| *byte == b',')).take(MAX_PROXIES) {
            let Some(address) = read_address(entry) else { break };
            client = address.to_canonical();
            if !self.contains(client) {
                break;
            }
        }
        client
    }
}

fn read_network(text: &str) -> Result<IpNet, ProxyError> {
    let address = text.parse::<IpAddr>().map(IpNet::from);
    let network: IpNet = address.or_else(|_| text.parse()).map_err(|_| ProxyError::Form(text.to_owned()))?;
    let canonical = canonical(network);
    if canonical.prefix_len() == 0 { Err(ProxyError::Anybody(text.to_owned())) } else { Ok(canonical) }
}

/// A network of IPv4 addresses in their IPv6 form is the network of these.
fn canonical(network: IpNet) -> IpNet {
    const MAPPED: u8 = 96;
    let IpAddr::V4(address) = network.addr().to_canonical() else { return network };
    let prefix = if network.addr().is_ipv6() { network.prefix_len().checked_sub(MAPPED) } else { None };
    prefix.and_then(|prefix| Ipv4Net::new(address, prefix).ok()).map_or(network, IpNet::from)
}

/// An address, perhaps with a port.
fn read_address(bytes: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(bytes.trim_ascii()).ok().filter(|text| text.len() <= MAX_ADDRESS_BYTES)?;
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

/// Whether the browser speaks TLS. Some proxies name the scheme of a WebSocket.
fn read_scheme(text: &str) -> Option<bool> {
    let is = |names: [&str; 2]| names.iter().any(|name| text.eq_ignore_ascii_case(name));
    if is(["https", "wss"]) { Some(true) } else { is(["http", "ws"]).then_some(false) }
}

/// The last value of a header that may be a list, and be there more than once.
fn last<'h>(lines: &[&'h [u8]]) -> Option<&'h str> {
    let value = lines.last()?.rsplit(|byte| *byte == b',').next()?;
    std::str::from_utf8(value.trim_ascii()).ok()
}

#[cfg(test)]
mod tests;

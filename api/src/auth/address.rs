use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr},
};

use axum::{extract::FromRequestParts, http::request::Parts};

use crate::{server::Peer, state::AppState};

/// The network address that a request came from.
pub(crate) struct ClientAddress(pub(crate) IpAddr);

impl FromRequestParts<AppState> for ClientAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Infallible> {
        let peer = parts
            .extensions
            .get::<Peer>()
            .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
        let forwarded: Vec<&str> = parts
            .headers
            .get_all("x-forwarded-for")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .collect();
        Ok(Self(client_of(peer, &forwarded.join(","), state.config.trusted_proxies)))
    }
}

/// Each trusted proxy appended the address it saw; what stands further left anybody could have written.
fn client_of(peer: IpAddr, forwarded: &str, trusted: u32) -> IpAddr {
    let Some(back) = (trusted as usize).checked_sub(1) else { return peer };
    let named = forwarded.rsplit(',').nth(back).map(str::trim);
    named.and_then(|address| address.parse().ok()).unwrap_or(peer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_trusted_proxies_appended_is_believed() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let proxy = ip("10.0.0.1");
        let header = "1.1.1.1, 2.2.2.2, 3.3.3.3";
        for (header, trusted, client) in [
            (header, 0, proxy),
            (header, 1, ip("3.3.3.3")),
            (header, 2, ip("2.2.2.2")),
            (header, 9, proxy),
            ("", 1, proxy),
            ("nonsense", 1, proxy),
        ] {
            assert_eq!(client_of(proxy, header, trusted), client, "{header} {trusted}");
        }
    }
}

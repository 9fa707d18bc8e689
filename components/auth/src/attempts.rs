//! How often one address may try to log in: 15 times in 15 minutes, successes included.
//!
//! The count lives in the cache, which hosts share; a host whose shared cache is away counts by
//! itself. Should the cache fail altogether, logins go on unbounded (the cache logs it): keeping
//! everybody out would be the greater harm, and the gateway's own limit still holds.

use std::{net::IpAddr, time::Duration};

use pingtalk_sdk::{Context, Error, Response, http::HeaderName};

/// Attempts in one window.
const LIMIT: i64 = 15;
/// The window starts with the first attempt.
const WINDOW: Duration = Duration::from_secs(15 * 60);

const REFUSAL: &str = "Too many login attempts. Try again after 15 minutes.";

/// One attempt, counted.
pub(crate) struct Attempt {
    /// This attempt's number in the window, and the seconds until the window ends. None without
    /// the cache.
    counted: Option<(i64, u64)>,
}

impl Attempt {
    /// Counts an attempt of the request's client.
    pub(crate) async fn count(cx: &Context) -> Self {
        let key = format!("login:{}", network(cx.client()));
        let counter = cx.cache().increment(&key, 1, WINDOW).await;
        Self {
            counted: counter.map(|counter| (counter.value, counter.expires_in_ms.div_ceil(1_000))),
        }
    }

    /// The refusal, if this attempt is one too many.
    pub(crate) fn refusal(&self) -> Option<Error> {
        let (number, seconds) = self.counted?;
        (number > LIMIT).then(|| Error::too_many_requests(REFUSAL, seconds))
    }

    /// Tells the client where it stands: the fields of draft 6 of the IETF's RateLimit headers.
    pub(crate) fn describe(&self, response: Response) -> Response {
        let set = |response: Response, name, value: String| {
            response.header(HeaderName::from_static(name), &value)
        };
        let policy = format!("{LIMIT};w={}", WINDOW.as_secs());
        let response = set(response, "ratelimit-policy", policy);
        let response = set(response, "ratelimit-limit", LIMIT.to_string());
        let Some((number, seconds)) = self.counted else { return response };
        let remaining = LIMIT.saturating_sub(number).max(0);
        let response = set(response, "ratelimit-remaining", remaining.to_string());
        set(response, "ratelimit-reset", seconds.to_string())
    }
}

/// What counts as one address: an IPv4 address, or the 64 bits of an IPv6 one that name its
/// network, since a client can choose the others at will (RFC 4291 section 2.5.4).
fn network(client: &str) -> String {
    match client.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::")
        }
        Ok(address) => address.to_string(),
        Err(_) => client.chars().take(64).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::network;

    #[test]
    fn one_network_is_one_address() {
        for (client, expected) in [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2::7", "2001:db8:1:2::"),
            ("2001:db8:1:2:ffff::8", "2001:db8:1:2::"),
            ("2001:db8:1:3::7", "2001:db8:1:3::"),
            ("unknown", "unknown"),
        ] {
            assert_eq!(network(client), expected, "{client}");
        }
        assert_eq!(network(&"x".repeat(1_000)).len(), 64);
    }
}

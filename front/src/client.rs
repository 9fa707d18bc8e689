//! Who a client is.

use std::net::IpAddr;

/// What one bucket of a rate limit stands for: an IPv4 address, or the /64 network that one IPv6
/// customer has to itself.
#[must_use]
pub fn bucket(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits() & !u128::from(u64::MAX),
    }
}

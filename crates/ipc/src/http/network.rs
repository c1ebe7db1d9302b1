//! The unit in which clients are counted.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Bits of an IPv6 address that name a customer: whoever has one address of a /64 has all of them
/// (RFC 6177, RFC 4862).
const CUSTOMER_BITS: u8 = 64;
/// What one owner may have at once of IPv6: a site, and all of a provider. Without a bound on these
/// whoever owns one could pose as any number of customers.
const BLOCK_BITS: [u8; 2] = [48, 32];

/// An IPv4 address, or the leading bits of an IPv6 address. IPv4 written as IPv6 is IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// The network that one customer has.
    pub fn of(address: IpAddr) -> Self {
        Self::wider(address, CUSTOMER_BITS)
    }

    /// The blocks of IPv6 that the customer's network lies in, the narrower first: a /48 and a /32.
    /// None for IPv4.
    pub fn blocks(address: IpAddr) -> impl Iterator<Item = Self> {
        let is_v6 = address.to_canonical().is_ipv6();
        let blocks = BLOCK_BITS.into_iter().filter(move |_| is_v6);
        blocks.map(move |bits| Self::wider(address, bits))
    }

    /// The network of an IPv6 address that has `bits` leading bits, at most 128; of an IPv4 address
    /// always the address itself.
    fn wider(address: IpAddr, bits: u8) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self {
                address: address.into(),
                bits: Ipv4Addr::BITS as u8,
            },
            IpAddr::V6(address) => {
                let kept = u128::MAX
                    .checked_shl(Ipv6Addr::BITS - u32::from(bits))
                    .unwrap_or(0);
                Self {
                    address: Ipv6Addr::from_bits(address.to_bits() & kept).into(),
                    bits,
                }
            }
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_customer_are_one_network() {
        let of = |address: &str| Network::of(address.parse().unwrap()).to_string();
        assert_eq!(of("203.0.113.9"), "203.0.113.9/32");
        assert_eq!(of("::ffff:203.0.113.9"), "203.0.113.9/32");
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(of("2001:db8:1:2:ffff::"), of("2001:db8:1:2::1"));
        assert_ne!(of("2001:db8:1:3::1"), of("2001:db8:1:2::1"));
        let wider = |bits| Network::wider("2001:db8:1:2::1".parse().unwrap(), bits).to_string();
        assert_eq!(wider(48), "2001:db8:1::/48");
        assert_eq!(wider(128), "2001:db8:1:2::1/128");
        assert_eq!(wider(0), "::/0");
        let blocks = |address: &str| -> Vec<_> {
            let blocks = Network::blocks(address.parse().unwrap());
            blocks.map(|block| block.to_string()).collect()
        };
        assert_eq!(
            blocks("2001:db8:1:2::1"),
            ["2001:db8:1::/48", "2001:db8::/32"]
        );
        assert_eq!(blocks("::ffff:203.0.113.9"), [""; 0]);
    }
}

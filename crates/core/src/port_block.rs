//! Neighbouring ports for processes that bind them later.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::ops::Range;

use rand::RngExt;

/// Blocks lie here, below the range Linux hands out for outgoing connections and for port 0.
const RANGE: Range<u16> = 15_008..32_000;
const LENGTH: u16 = 32;
const ATTEMPTS: u32 = 200;

/// Free neighbouring ports, kept for whoever is told of them.
///
/// Blocks begin at multiples of their length and their last port is held for as long as this
/// lives, so no other process that claims one gets any port of it, bound or not.
#[derive(Debug)]
pub struct PortBlock {
    base: u16,
    _claim: TcpListener,
}

impl PortBlock {
    /// How many ports there are to use.
    pub const PORTS: u16 = LENGTH - 1;

    /// `None` when in every block that was tried some port is taken.
    pub fn claim(address: IpAddr) -> Option<Self> {
        let mut rng = rand::rng();
        (0..ATTEMPTS).find_map(|_| {
            let block = rng.random_range(RANGE.start / LENGTH..RANGE.end / LENGTH);
            let base = block * LENGTH;
            let bind = |port| TcpListener::bind(SocketAddr::new(address, port)).ok();
            let claim = bind(base + Self::PORTS)?;
            (base..base + Self::PORTS).try_for_each(|port| bind(port).map(drop))?;
            Some(Self {
                base,
                _claim: claim,
            })
        })
    }

    /// The first of [`Self::PORTS`] ports. Connections to them are refused until someone listens.
    pub fn base(&self) -> u16 {
        self.base
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn the_ports_can_be_bound_and_belong_to_one() {
        let claim = || PortBlock::claim(Ipv4Addr::LOCALHOST.into()).unwrap();
        let blocks: Vec<PortBlock> = (0..20).map(|_| claim()).collect();
        let mut held = Vec::new();
        for block in &blocks {
            let ports = block.base()..block.base() + PortBlock::PORTS;
            held.extend(ports.map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap()));
        }
        assert_eq!(held.len(), 20 * usize::from(PortBlock::PORTS));
    }
}

//! Listeners for the daemons, bound before anything starts so that a busy port is one clear
//! message and two starts at once cannot take each other's ports.

use std::net::{IpAddr, SocketAddr, TcpListener};

use rand::RngExt;

/// How many IServer ports `--free-ports` looks for: more clusters than one machine runs.
const ISERVER_BLOCK: u16 = 32;
/// Blocks are searched here, below the range Linux hands out for outgoing connections.
const BLOCK_RANGE: std::ops::Range<u16> = 15_000..32_000;
const BLOCK_ATTEMPTS: u32 = 200;

#[derive(Debug, thiserror::Error)]
pub enum PortError {
    #[error(
        "{address} is in use, so the {what} cannot listen there. Stop what uses it, change `{key}`, or start with --free-ports"
    )]
    Busy {
        address: SocketAddr,
        what: &'static str,
        key: &'static str,
    },
    #[error("cannot listen on {address} for the {what} (`{key}`)")]
    Bind {
        address: SocketAddr,
        what: &'static str,
        key: &'static str,
        #[source]
        source: std::io::Error,
    },
    #[error("no {ISERVER_BLOCK} free ports in a row were found for the bot's internal servers")]
    NoBlock,
}

/// Binds configured addresses, or any free port of the same address with `free` set.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    pub free: bool,
}

impl Ports {
    /// # Errors
    /// [`PortError::Busy`] when the configured port is taken.
    pub fn bind(
        self,
        what: &'static str,
        key: &'static str,
        address: IpAddr,
        port: u16,
    ) -> Result<TcpListener, PortError> {
        let address = SocketAddr::new(address, if self.free { 0 } else { port });
        TcpListener::bind(address).map_err(|source| {
            if source.kind() == std::io::ErrorKind::AddrInUse {
                PortError::Busy { address, what, key }
            } else {
                PortError::Bind {
                    address,
                    what,
                    key,
                    source,
                }
            }
        })
    }

    /// The base of the IServer range: the configured one, or the start of a free block.
    ///
    /// # Errors
    /// [`PortError::NoBlock`] when every block tried has a taken port.
    pub fn iserver_base(self, address: IpAddr, configured: u16) -> Result<u16, PortError> {
        if !self.free {
            return Ok(configured);
        }
        let mut rng = rand::rng();
        for _ in 0..BLOCK_ATTEMPTS {
            let base = rng.random_range(BLOCK_RANGE);
            let block: Result<Vec<_>, _> = (base..base + ISERVER_BLOCK)
                .map(|port| TcpListener::bind(SocketAddr::new(address, port)))
                .collect();
            if block.is_ok() {
                return Ok(base);
            }
        }
        Err(PortError::NoBlock)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn a_busy_port_names_the_key_and_the_remedy() {
        let taken = TcpListener::bind((LOOPBACK, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = Ports { free: false }
            .bind("webserver", "meta.port", LOOPBACK, port)
            .unwrap_err();
        let message = error.to_string();
        assert!(message.contains(&port.to_string()), "{message}");
        assert!(
            message.contains("`meta.port`") && message.contains("--free-ports"),
            "{message}"
        );
        assert!(
            Ports { free: true }
                .bind("webserver", "meta.port", LOOPBACK, port)
                .is_ok()
        );
    }

    #[test]
    fn a_free_block_can_be_bound() {
        let base = Ports { free: true }.iserver_base(LOOPBACK, 5000).unwrap();
        assert!(BLOCK_RANGE.contains(&base));
        assert_eq!(
            Ports { free: false }.iserver_base(LOOPBACK, 5000).unwrap(),
            5000
        );
    }
}

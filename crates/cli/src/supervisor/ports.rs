//! Listeners for the daemons, bound before anything starts so that a busy port is one clear
//! message and two starts at once cannot take each other's ports.

use std::net::{IpAddr, SocketAddr, TcpListener};

use splashtail_core::port_block::PortBlock;

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
    #[error(
        "no {} free ports in a row were found for the bot's internal servers",
        PortBlock::PORTS
    )]
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

    /// With `free` set, ports for the IServers of more clusters than one machine runs; otherwise
    /// the configured ones are used.
    ///
    /// # Errors
    /// [`PortError::NoBlock`] when every block tried has a taken port.
    pub fn iservers(self, address: IpAddr) -> Result<Option<PortBlock>, PortError> {
        if !self.free {
            return Ok(None);
        }
        PortBlock::claim(address)
            .map(Some)
            .ok_or(PortError::NoBlock)
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
}

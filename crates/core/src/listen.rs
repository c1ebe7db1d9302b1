//! Listening sockets: inherited from the process that started this one, or bound here.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Mutex, OnceLock, PoisonError};

use listenfd::ListenFd;
use tracing::debug;

#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error("{address} is already in use: stop what uses it or change `{key}`")]
    Busy {
        address: SocketAddr,
        key: &'static str,
    },
    #[error("cannot listen on {address} (`{key}`)")]
    Bind {
        address: SocketAddr,
        key: &'static str,
        #[source]
        source: io::Error,
    },
}

/// The listener that was handed over at position `index` of `LISTEN_FDS` (sd_listen_fds(3);
/// `LISTEN_PID` may be absent), else a new one on `address`. It does not block, as tokio wants.
///
/// The first call takes the variables out of this process's environment so that children do not
/// mistake them for theirs. `key` is the config key that chose the port.
///
/// # Errors
/// [`ListenError::Busy`] when another socket owns the port.
pub fn listener(
    index: usize,
    address: SocketAddr,
    key: &'static str,
) -> Result<TcpListener, ListenError> {
    let failed = |source: io::Error| {
        if source.kind() == io::ErrorKind::AddrInUse {
            ListenError::Busy { address, key }
        } else {
            ListenError::Bind {
                address,
                key,
                source,
            }
        }
    };
    let listener = match inherited(index) {
        Some(listener) => listener,
        None => TcpListener::bind(address).map_err(failed)?,
    };
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

/// `None` when nothing, or no TCP socket, was handed over at this position. Each position is
/// handed out once.
fn inherited(index: usize) -> Option<TcpListener> {
    static INHERITED: OnceLock<Mutex<ListenFd>> = OnceLock::new();
    let inherited = INHERITED.get_or_init(|| Mutex::new(ListenFd::from_env()));
    let mut inherited = inherited.lock().unwrap_or_else(PoisonError::into_inner);
    match inherited.take_tcp_listener(index) {
        Ok(listener) => listener,
        Err(error) => {
            debug!(index, %error, "inherited descriptor is not a TCP listener");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::port_block::PortBlock;

    #[test]
    fn a_busy_port_names_the_key_and_the_address() {
        let ports = PortBlock::claim(Ipv4Addr::LOCALHOST.into()).unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports.base()));
        let taken = TcpListener::bind(address).unwrap();
        let error = listener(0, address, "meta.jobserver_port").unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "{address} is already in use: stop what uses it or change `meta.jobserver_port`"
            )
        );
        drop(taken);
        assert_eq!(
            listener(0, address, "meta.port")
                .unwrap()
                .local_addr()
                .unwrap(),
            address
        );
    }
}

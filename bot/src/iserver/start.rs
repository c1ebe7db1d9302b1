//! Binding the IServer's port and knowing whose signatures count.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use secrecy::SecretString;
use splashtail_core::clock::{Clock, SharedClock};
use splashtail_core::config::Config;
use splashtail_core::ids::ClusterId;
use splashtail_core::listen::{ListenError, listener};
use splashtail_ipc::signing::{SignatureGate, Verifier, tag};
use tracing::{info, warn};

use super::{CLIENTS, MAX_BODY};

/// The predecessor of a restarted cluster may still be letting go of the port.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

const KEY: &str = "meta.bot_iserver_base_port";

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cluster {cluster} has no IServer port: `{KEY}` is {base}, and ports end at 65535")]
    PortRange { cluster: ClusterId, base: u16 },
    #[error("the IServer cannot listen")]
    Listen(#[from] ListenError),
}

/// Takes the port `meta.bot_iserver_base_port` + id, trying for about 10 s.
///
/// # Errors
/// See [`StartError`].
pub async fn bind(
    config: &Config,
    cluster: ClusterId,
    clock: &dyn Clock,
) -> Result<TcpListener, StartError> {
    let base = config.meta.bot_iserver_base_port;
    let address = config
        .iserver_address(cluster)
        .ok_or(StartError::PortRange { cluster, base })?;
    bind_address(address, clock).await
}

async fn bind_address(address: SocketAddr, clock: &dyn Clock) -> Result<TcpListener, StartError> {
    let started = clock.monotonic();
    let mut pause = PAUSE;
    loop {
        match listener(0, address, KEY) {
            Ok(listener) => {
                info!(%address, "IServer listens");
                return Ok(listener);
            }
            Err(error @ ListenError::Busy { .. })
                if clock.monotonic().saturating_sub(started) < PATIENCE =>
            {
                let wait_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
                warn!(wait_ms, "{error}; trying again");
                clock.sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// The signature check in front of `POST /`, for this cluster's tag.
pub fn verifier(config: &Config, cluster: ClusterId, clock: SharedClock) -> SignatureGate {
    let secrets: BTreeMap<String, SecretString> = config.meta.jobserver_secrets.clone();
    let plain = config.meta.plain_client_secret;
    let verifier = Verifier::new(secrets, tag::iserver(cluster), plain, clock);
    SignatureGate::new(verifier, &CLIENTS, MAX_BODY)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use chrono::DateTime;
    use splashtail_core::clock::ManualClock;
    use splashtail_core::environment::Environment;

    use super::*;

    fn config(base: u16) -> Config {
        let mut config = Config::embedded(Path::new("/nowhere"), Environment::Staging);
        config.meta.bot_iserver_base_port = base;
        config
    }

    #[test]
    fn ports_end_at_65535() {
        for (base, cluster, port) in [
            (5000, 0, Some(5000)),
            (5000, 3, Some(5003)),
            (65000, 535, Some(65535)),
            (65000, 536, None),
        ] {
            let address = config(base).iserver_address(ClusterId(cluster));
            assert_eq!(address.map(|address| address.port()), port);
        }
    }

    #[tokio::test]
    async fn a_port_beyond_the_range_is_refused_at_once() {
        let clock = ManualClock::new(DateTime::UNIX_EPOCH);
        let error = bind(&config(65000), ClusterId(536), &clock)
            .await
            .unwrap_err();
        assert!(
            error.to_string().contains("bot_iserver_base_port"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_port_in_use_is_waited_for() {
        let predecessor = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = predecessor.local_addr().unwrap();
        let clock = ManualClock::new(DateTime::UNIX_EPOCH);
        let binding = tokio::spawn({
            let clock = clock.clone();
            async move { bind_address(address, &clock).await }
        });
        clock.wait_for_sleepers(1).await;
        drop(predecessor);
        clock.advance(PAUSE);
        binding.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_port_that_stays_busy_is_an_error_that_names_the_key() {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = other.local_addr().unwrap();
        let clock = ManualClock::new(DateTime::UNIX_EPOCH);
        let binding = tokio::spawn({
            let clock = clock.clone();
            async move { bind_address(address, &clock).await }
        });
        while !binding.is_finished() {
            tokio::select! {
                () = clock.wait_for_sleepers(1) => clock.advance(LONGEST_PAUSE),
                () = tokio::task::yield_now() => {}
            }
        }
        let StartError::Listen(error) = binding.await.unwrap().unwrap_err() else {
            panic!()
        };
        assert!(error.to_string().contains(KEY), "{error}");
    }
}

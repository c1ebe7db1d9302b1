//! How the proxy between the platform and Discord does, for the operators' page.

use std::time::Duration;

use reqwest::Client;
use splashtail_api_types::proxy::{ProxyPage, ProxyReport, ProxyStatus};
use splashtail_core::clock::SharedClock;
use splashtail_core::config::{Config, is_local, without_slash};
use tracing::debug;

use crate::error::ApiError;
use crate::fresh::Fresh;

/// The page polls from many browsers; the proxy is asked once a second.
const PERIOD: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(3);

#[derive(Debug)]
pub struct GatewayProxy {
    /// `None`: the platform goes without.
    asked: Option<Asked>,
    latest: Fresh<ProxyStatus, ApiError>,
}

#[derive(Debug)]
struct Asked {
    http: Client,
    url: String,
}

impl GatewayProxy {
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(config: &Config, clock: SharedClock) -> reqwest::Result<Self> {
        let asked = match config.proxy.enabled {
            true => Some(Asked::new(config)?),
            false => None,
        };
        Ok(Self {
            asked,
            latest: Fresh::new(PERIOD, clock),
        })
    }

    /// A proxy that does not answer has no report.
    ///
    /// # Errors
    /// None of its own: those of [`Fresh`].
    pub async fn status(&self) -> Result<ProxyStatus, ApiError> {
        let ask = async {
            let report = match &self.asked {
                Some(asked) => asked.report().await,
                None => None,
            };
            Ok(ProxyStatus {
                enabled: self.asked.is_some(),
                report,
            })
        };
        Ok(self.latest.get(ask).await?)
    }
}

impl Asked {
    fn new(config: &Config) -> reqwest::Result<Self> {
        let url = &config.simple_gateway_proxy.url;
        let mut http = Client::builder()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none());
        if is_local(url) {
            http = http.no_proxy();
        }
        Ok(Self {
            http: http.build()?,
            url: format!("{}/api/status", without_slash(url)),
        })
    }

    async fn report(&self) -> Option<ProxyReport> {
        let answer = async {
            let answer = self.http.get(&self.url).send().await?;
            answer.error_for_status()?.json::<ProxyPage>().await
        };
        match answer.await {
            Ok(page) => Some(page.into()),
            Err(error) => {
                // The page that asks says so, and asks again and again.
                debug!(error = %error.without_url(), "the gateway proxy does not answer (`simple_gateway_proxy.url`)");
                None
            }
        }
    }
}

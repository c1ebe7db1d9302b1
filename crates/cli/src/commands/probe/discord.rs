//! The points of docs/discord.md that can be checked from here: the account, its privileged
//! intents, the redirect, the main server, the public address.

use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use splashtail_core::config::{Config, is_local, without_slash};
use splashtail_discord::UserAgent;

use super::{PATIENCE, no_answer, reason};
use crate::commands::finding::Finding;
use crate::supervisor::report::Ready;

const NAME: &str = "bot account";
/// What the bot's modules declare that they need. A test of the bot keeps it so.
const NEEDS: &str = include_str!("../../../needs.json");
/// Intents that the portal has a switch for: the bit, its name there, and the flags of an application
/// that has it ("Application Flags"), one for large bots and one for the switch.
const SWITCHES: [(u64, &str, u64); 3] = [
    (1 << 1, "Server Members Intent", 1 << 14 | 1 << 15),
    (1 << 8, "Presence Intent", 1 << 12 | 1 << 13),
    (1 << 15, "Message Content Intent", 1 << 18 | 1 << 19),
];
/// Where a login comes back to, below `sites.api`.
const REDIRECT: &str = "/ioauth/login";

/// The bot's declarations, in bits.
#[derive(Deserialize)]
struct Needs {
    intents: String,
    permissions: Vec<Need>,
}

#[derive(Deserialize)]
struct Need {
    permission: String,
    #[cfg(test)]
    name: String,
    #[cfg(test)]
    why: String,
}

impl Needs {
    fn read() -> Result<Self, serde_json::Error> {
        serde_json::from_str(NEEDS)
    }

    fn intents(&self) -> u64 {
        self.intents.parse().unwrap_or_default()
    }

    /// All of them, and no other.
    fn permissions(&self) -> u64 {
        let each = self.permissions.iter();
        let each = each.filter_map(|need| need.permission.parse::<u64>().ok());
        each.fold(0, |all, bits| all | bits)
    }
}

#[derive(Deserialize)]
struct Account {
    username: String,
}

#[derive(Deserialize)]
struct Application {
    id: String,
    #[serde(default)]
    flags: u64,
    #[serde(default)]
    redirect_uris: Vec<String>,
}

#[derive(Deserialize)]
struct Guild {
    name: String,
}

pub(super) async fn discord(config: &Config, platform: Option<&Ready>) -> Vec<Finding> {
    if let Some(sandbox) = platform.and_then(|platform| platform.sandbox.as_ref()) {
        return vec![Finding::note(
            NAME,
            format!(
                "that of the simulated Discord at {}",
                without_slash(&sandbox.rest)
            ),
        )];
    }
    let Some(token) = &config.discord_auth.token else {
        return vec![Finding::note(
            NAME,
            "discord_auth.token is empty: `splashtail up` runs on the Discord sandbox",
        )];
    };
    let caller = Caller { config, token };
    let account: Account = match caller.get("users/@me").await {
        Ok(account) => account,
        Err(error) => return vec![Finding::failed(NAME, error.explain(config))],
    };
    let base = without_slash(config.discord_api());
    let mut findings = vec![Finding::ok(NAME, format!("{} at {base}", account.username))];
    match (caller.get("applications/@me").await, Needs::read()) {
        (Ok(application), Ok(needs)) => findings.extend(portal(config, &application, &needs)),
        (_, Err(error)) => findings.push(Finding::failed("invite", error.to_string())),
        (Err(error), _) => findings.push(Finding::note(NAME, error.explain(config))),
    }
    findings.extend(caller.client_secret().await);
    findings.push(caller.main_server().await);
    findings.extend(people(config));
    findings.extend(address(config));
    findings
}

/// What the developer portal says about the application.
fn portal(config: &Config, application: &Application, needs: &Needs) -> Vec<Finding> {
    let mut findings = Vec::new();
    let given = config.discord_auth.client_id.map(|id| id.to_string());
    if let Some(given) = given.filter(|given| *given != application.id) {
        findings.push(Finding::failed(
            NAME,
            format!(
                "discord_auth.client_id is {given}, the token belongs to application {}",
                application.id
            ),
        ));
    }
    let intents = needs.intents();
    let asked = SWITCHES.iter().filter(|(intent, ..)| intents & intent != 0);
    let missing: Vec<_> = asked
        .filter(|(.., flags)| application.flags & flags == 0)
        .map(|(_, name, _)| *name)
        .collect();
    findings.push(match missing.is_empty() {
        true => Finding::ok("intents", "the privileged intents are on"),
        false => Finding::failed(
            "intents",
            format!(
                "off: {}. Discord refuses the bot's sessions (4014): switch them on under Bot in the developer portal",
                missing.join(" and ")
            ),
        ),
    });
    let redirect = redirect(config);
    findings.push(match application.redirect_uris.contains(&redirect) {
        true => Finding::ok("login", format!("the redirect {redirect} is registered")),
        false => Finding::failed(
            "login",
            format!(
                "downloads cannot log in: add {redirect} under OAuth2, Redirects in the developer portal"
            ),
        ),
    });
    let invite = invite(config, &application.id, needs.permissions());
    findings.push(Finding::note("invite", invite));
    findings
}

fn redirect(config: &Config) -> String {
    format!("{}{REDIRECT}", without_slash(&config.sites.api))
}

/// The page on which an owner adds the bot.
fn invite(config: &Config, application: &str, permissions: u64) -> String {
    let mut url = config.discord.authorize_url.clone();
    url.query_pairs_mut()
        .append_pair("client_id", application)
        .append_pair("scope", "bot applications.commands")
        .append_pair("permissions", &permissions.to_string());
    url.into()
}

fn people(config: &Config) -> Option<Finding> {
    config.discord_auth.root_users.is_empty().then(|| {
        Finding::note(
            "owners",
            "discord_auth.root_users is empty: only owners of the application may use /register",
        )
    })
}

/// How browsers reach the webserver.
fn address(config: &Config) -> Vec<Finding> {
    const NAME: &str = "public address";
    let api = &config.sites.api;
    let shown = without_slash(api);
    if is_local(api) {
        return vec![Finding::note(
            NAME,
            format!("sites.api is {shown}: links to backups work on this machine only"),
        )];
    }
    let mut findings = Vec::new();
    if api.scheme() == "http" {
        findings.push(Finding::failed(
            NAME,
            format!(
                "sites.api is {shown}: a public address needs https, by a reverse proxy in front of meta.port"
            ),
        ));
    } else if config.meta.trusted_proxies.is_empty() {
        findings.push(Finding::note(
            NAME,
            "meta.trusted_proxies is empty: behind a reverse proxy all visitors share one limit of requests",
        ));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(NAME, shown));
    }
    findings
}

struct Caller<'a> {
    config: &'a Config,
    token: &'a SecretString,
}

#[derive(Debug)]
enum CallError {
    Refused,
    Status(StatusCode),
    Call(reqwest::Error),
}

impl From<reqwest::Error> for CallError {
    fn from(error: reqwest::Error) -> Self {
        Self::Call(error)
    }
}

impl CallError {
    fn explain(&self, config: &Config) -> String {
        let base = without_slash(config.discord_api());
        match self {
            Self::Refused => format!(
                "discord_auth.token: {base} refuses it; copy it again from the developer portal"
            ),
            Self::Status(status) => format!("discord_auth.token: {base} answers {status}"),
            Self::Call(error) => {
                let key = match config.meta.proxy {
                    Some(_) => "meta.proxy",
                    None => "discord.api_base",
                };
                let why = match error.is_timeout() {
                    true => no_answer(),
                    false => reason(error),
                };
                format!("{key}: {base}: {why}")
            }
        }
    }
}

impl Caller<'_> {
    fn request(&self, method: Method, path: &str) -> Result<reqwest::RequestBuilder, CallError> {
        let api = self.config.discord_api();
        let mut client = reqwest::Client::builder()
            .user_agent(UserAgent::VALUE)
            .timeout(PATIENCE);
        if is_local(api) {
            client = client.no_proxy();
        }
        let address = format!("{}/api/v10/{path}", without_slash(api));
        Ok(client.build()?.request(method, address))
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CallError> {
        let authorization = format!("Bot {}", self.token.expose_secret());
        let request = self.request(Method::GET, path)?;
        let answer = request
            .header("Authorization", authorization)
            .send()
            .await?;
        match answer.status() {
            StatusCode::OK => Ok(answer.json().await?),
            StatusCode::UNAUTHORIZED => Err(CallError::Refused),
            status => Err(CallError::Status(status)),
        }
    }

    /// Asks for a token of the application's owner, which needs nothing but id and secret ("Client
    /// Credentials Grant").
    async fn client_secret(&self) -> Option<Finding> {
        let auth = &self.config.discord_auth;
        let (id, secret) = (auth.client_id?.to_string(), auth.client_secret.as_ref()?);
        let request = self.request(Method::POST, "oauth2/token").ok()?;
        let answer = request
            .basic_auth(id, Some(secret.expose_secret()))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body("grant_type=client_credentials&scope=identify")
            .send()
            .await
            .ok()?;
        (answer.status() == StatusCode::UNAUTHORIZED).then(|| {
            Finding::failed(
                "login",
                "discord_auth.client_secret is refused: copy it from OAuth2 in the developer portal",
            )
        })
    }

    async fn main_server(&self) -> Finding {
        const NAME: &str = "main server";
        let Some(main) = self.config.servers.main else {
            return Finding::note(
                NAME,
                "servers.main is empty: BOOTSTRAP_COMMANDS=true does nothing, so there is no /register",
            );
        };
        match self.get::<Guild>(&format!("guilds/{main}")).await {
            Ok(guild) => Finding::ok(NAME, guild.name),
            Err(CallError::Status(StatusCode::FORBIDDEN | StatusCode::NOT_FOUND)) => {
                Finding::failed(
                    NAME,
                    format!("servers.main: the bot is not in {main}: invite it first"),
                )
            }
            Err(error) => Finding::note(NAME, error.explain(self.config)),
        }
    }
}

#[cfg(test)]
mod tests {
    use splashtail_core::environment::Environment;

    use super::super::tests::http;
    use super::*;
    use crate::commands::finding::Status;

    const APPLICATION: &str = "849331145862283275";

    async fn config(answer: fn(&str) -> (&'static str, String)) -> Config {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut config = Config::embedded("data".as_ref(), Environment::Staging);
        config.discord_auth.token = Some("hunter2".into());
        config.discord_auth.client_id = APPLICATION.parse().ok();
        config.discord_auth.client_secret = Some("hunter2".into());
        config.servers.main = "1100000000001179648".parse().ok();
        config.sites.api = "https://api.example.com".parse().unwrap();
        config.discord.api_base = http(answer).await;
        config
    }

    fn ready(request: &str) -> (&'static str, String) {
        let redirects = "[\"https://api.example.com/ioauth/login\"]";
        let body = match request {
            "GET /api/v10/users/@me" => "{\"username\":\"waffle\"}".to_owned(),
            "GET /api/v10/applications/@me" => format!(
                "{{\"id\":\"{APPLICATION}\",\"flags\":{},\"redirect_uris\":{redirects}}}",
                1 << 15 | 1 << 19
            ),
            "POST /api/v10/oauth2/token" => "{}".to_owned(),
            "GET /api/v10/guilds/1100000000001179648" => "{\"name\":\"Harbour\"}".to_owned(),
            other => panic!("{other}"),
        };
        ("200 OK", body)
    }

    fn failed(findings: &[Finding]) -> Vec<&str> {
        let failed = findings.iter().filter(|one| one.status == Status::Failed);
        failed.map(|one| one.detail.as_str()).collect()
    }

    #[tokio::test]
    async fn an_account_that_is_set_up_is_fine_and_its_invite_is_shown() {
        let findings = discord(&config(ready).await, None).await;
        assert_eq!(failed(&findings), Vec::<&str>::new(), "{findings:?}");
        let invite = findings.iter().find(|one| one.name == "invite").unwrap();
        let address = "https://discord.com/oauth2/authorize?client_id=849331145862283275\
            &scope=bot+applications.commands&permissions=";
        let asked = invite.detail.strip_prefix(address).unwrap();
        assert_eq!(asked.parse(), Ok(Needs::read().unwrap().permissions()));
        assert!(!format!("{findings:?}").contains("hunter2"));
    }

    #[test]
    fn with_the_permissions_of_the_invite_a_server_can_be_protected() {
        use splashtail_discord::permissions::bits;

        let needs = Needs::read().unwrap();
        for needed in [
            bits::VIEW_AUDIT_LOG,
            bits::MANAGE_ROLES,
            bits::KICK_MEMBERS,
            bits::BAN_MEMBERS,
            bits::MANAGE_WEBHOOKS,
            bits::MANAGE_GUILD,
            bits::READ_MESSAGE_HISTORY,
        ] {
            let lacking = needed & !needs.permissions();
            assert_eq!(lacking, 0, "{:?}", bits::names(lacking));
        }
        assert_eq!(needs.permissions() & bits::ADMINISTRATOR, 0);
        assert_ne!(needs.intents(), 0);
        // The guide says what each is for.
        let guide = include_str!("../../../../../docs/discord.md");
        for Need { name, why, .. } in &needs.permissions {
            let line = guide
                .lines()
                .find(|line| line.contains(&format!("| {name} |")));
            assert!(
                line.is_some_and(|line| line.contains(why.as_str())),
                "{name}: {why}"
            );
        }
    }

    #[tokio::test]
    async fn every_point_that_is_missing_says_what_to_do() {
        let mut config = config(|request| match request {
            "GET /api/v10/users/@me" => ready(request),
            "GET /api/v10/applications/@me" => (
                "200 OK",
                "{\"id\":\"1\",\"flags\":32768,\"redirect_uris\":[]}".to_owned(),
            ),
            "POST /api/v10/oauth2/token" => ("401 Unauthorized", "{}".to_owned()),
            _ => ("404 Not Found", "{}".to_owned()),
        })
        .await;
        config.sites.api = "http://bots.example.com".parse().unwrap();
        let findings = discord(&config, None).await;
        let failed = failed(&findings);
        for part in [
            "client_id is 849331145862283275, the token belongs to application 1",
            "off: Message Content Intent.",
            "add http://bots.example.com/ioauth/login under OAuth2",
            "client_secret is refused",
            "the bot is not in 1100000000001179648",
            "needs https",
        ] {
            assert!(
                failed.iter().any(|detail| detail.contains(part)),
                "{part} in {findings:?}"
            );
        }
        assert!(
            findings
                .iter()
                .any(|one| one.detail.contains("root_users is empty"))
        );
        config.servers.main = None;
        config.sites.api = "http://localhost:8081".parse().unwrap();
        let findings = discord(&config, None).await;
        assert!(
            findings
                .iter()
                .any(|one| one.detail.contains("servers.main is empty"))
        );
        assert!(
            findings
                .iter()
                .any(|one| one.detail.contains("this machine only"))
        );
    }

    #[tokio::test]
    async fn a_refused_token_is_the_only_finding() {
        let config = config(|_| ("401 Unauthorized", "{}".to_owned())).await;
        let findings = discord(&config, None).await;
        assert_eq!(findings.len(), 1);
        assert!(findings[0].detail.contains("refuses it"), "{findings:?}");
        assert!(!findings[0].detail.contains("hunter2"));
    }
}

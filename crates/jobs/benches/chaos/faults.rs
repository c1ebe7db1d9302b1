//! What is done to the database and to the runners.

use std::time::Duration;

use sqlx::{Connection, PgConnection};
use tokio::process::{Child, Command};

use crate::work;

#[derive(Debug, Clone, Copy)]
pub enum Fault {
    ServerRestarted,
    ConnectionsEnded,
    ConnectionsExhausted,
    RunnerKilled,
    RunnersKilled,
}

impl Fault {
    pub const ALL: [Self; 5] = [
        Self::ServerRestarted,
        Self::ConnectionsEnded,
        Self::ConnectionsExhausted,
        Self::RunnerKilled,
        Self::RunnersKilled,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::ServerRestarted => "server restarted",
            Self::ConnectionsEnded => "every connection ended",
            Self::ConnectionsExhausted => "no connection left",
            Self::RunnerKilled => "runner killed",
            Self::RunnersKilled => "runners killed each second",
        }
    }

    /// Lasts so long where it lasts at all.
    pub async fn strike(self, url: &str, runners: &mut [Child], lasting: Duration) {
        match self {
            Self::ServerRestarted => crash_server(url).await,
            Self::ConnectionsEnded => end_connections(url).await,
            Self::ConnectionsExhausted => exhaust(url, lasting).await,
            Self::RunnerKilled => kill(url, &mut runners[0]).await,
            Self::RunnersKilled => {
                for second in 0..lasting.as_secs() {
                    let runner = usize::try_from(second).unwrap() % runners.len();
                    kill(url, &mut runners[runner]).await;
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }
}

/// The server restarts: it ends everything when one of its processes dies.
async fn crash_server(url: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    let kill = Command::new("kill")
        .args(["-KILL", &pid.to_string()])
        .status();
    assert!(kill.await.unwrap().success(), "may not kill {pid}");
}

async fn end_connections(url: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let end = "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity \
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let ended: i64 = sqlx::query_scalar(end)
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert!(ended > 0);
}

/// Takes every connection that the server has, for so long.
async fn exhaust(url: &str, time: Duration) {
    let mut taken = Vec::new();
    end_connections(url).await;
    while let Ok(connection) = PgConnection::connect(url).await {
        taken.push(connection);
    }
    assert!(!taken.is_empty());
    tokio::time::sleep(time).await;
}

async fn kill(url: &str, runner: &mut Child) {
    runner.kill().await.unwrap();
    *runner = work::start(url);
}

//! Taking over from a predecessor. While a supervisor replaces a webserver, the old and the new
//! process hold the same listening sockets, and the kernel gives a connection to whichever accepts
//! first. So the new one accepts nothing until it can answer, as long as the old one does.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// Within this time somebody who serves the address answers.
const ANSWER: Duration = Duration::from_secs(1);
/// Pause between looks at somebody who does.
const PAUSE: Duration = Duration::from_millis(500);

/// Resolves once nobody answers at an address on which this process listens without accepting:
/// at most a second after there is nobody.
pub async fn nobody_else_serves(address: SocketAddr) {
    while let Ok(Ok(_)) = timeout(ANSWER, ask(address)).await {
        sleep(PAUSE).await;
    }
}

/// The first byte of any answer.
async fn ask(address: SocketAddr) -> io::Result<u8> {
    let mut stream = TcpStream::connect(address).await?;
    stream
        .write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await?;
    stream.read_u8().await
}

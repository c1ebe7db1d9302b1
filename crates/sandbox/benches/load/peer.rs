//! Bare servers to compare with: the libraries the sandbox is built on, and nothing else.

use std::convert::Infallible;
use std::os::fd::OwnedFd;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;

use crate::process::{Process, listener};

/// Events written before a flush, as the sandbox does.
const BATCH: usize = 256;

/// Starts this program again as the bare server `kind`; its port.
pub fn start(kind: &str) -> Result<(Process, u16)> {
    let program = std::env::current_exe()?;
    let program = program.to_str().context("an odd path")?;
    let (socket, port): (OwnedFd, u16) = listener()?;
    let process = Process::start(program, &[&format!("--peer={kind}")], vec![socket])?;
    Ok((process, port))
}

/// Runs as a bare server.
pub async fn serve(kind: &str) -> Result<()> {
    let socket = splashtail_core::listen::listener(0, ([127, 0, 0, 1], 0).into(), "bench")?;
    let listener = TcpListener::from_std(socket)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        match kind {
            "http" => drop(tokio::spawn(answer(stream))),
            "events" => drop(tokio::spawn(send_events(stream))),
            _ => bail!("there is no peer `{kind}`"),
        }
    }
}

/// Answers every request with as many bytes as its path says.
async fn answer(stream: tokio::net::TcpStream) -> Result<()> {
    let service = service_fn(|request: http::Request<hyper::body::Incoming>| async move {
        let length = request.uri().path()[1..].parse().unwrap_or(0);
        let _ = request.into_body().collect().await;
        let body = Full::new(Bytes::from(vec![b'x'; length]));
        Ok::<_, Infallible>(http::Response::new(body))
    });
    let connection = hyper::server::conn::http1::Builder::new();
    Ok(connection
        .serve_connection(TokioIo::new(stream), service)
        .await?)
}

/// Sends as many texts of as many bytes as the client's first message says.
async fn send_events(stream: tokio::net::TcpStream) -> Result<()> {
    let mut ws = tokio_tungstenite::accept_async(stream).await?;
    let wish = ws.next().await.context("no wish")??.into_text()?;
    let (count, length) = wish.split_once(' ').context("an odd wish")?;
    let (count, length): (usize, usize) = (count.parse()?, length.parse()?);
    for n in 1..=count {
        ws.feed(Message::text("x".repeat(length))).await?;
        if n % BATCH == 0 {
            ws.flush().await?;
        }
    }
    ws.flush().await?;
    // Until the client goes.
    while let Some(Ok(_)) = ws.next().await {}
    Ok(())
}

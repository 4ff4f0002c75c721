//! The smallest HTTP/1.1 client that will do: requests are written by hand and answers hardly looked at, so that the load
//! leaves the processors to what is measured.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Kept alive, with one request at a time.
pub struct Connection {
    stream: TcpStream,
    address: SocketAddr,
    request: Vec<u8>,
    received: Vec<u8>,
}

pub struct Answer<'a> {
    pub status: u16,
    head: &'a str,
    pub body: &'a str,
}

impl Answer<'_> {
    pub fn header(&self, name: &str) -> Option<&str> {
        header(self.head, name)
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.split("\r\n").filter_map(|line| line.split_once(':'));
    lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the server takes connections");
        stream.set_nodelay(true).expect("a socket option");
        Self { stream, address, request: Vec::new(), received: Vec::new() }
    }

    /// `caller` is a header line that says who asks, or nothing.
    pub async fn ask(&mut self, caller: &str, body: &str) -> Answer<'_> {
        use std::io::Write;
        self.request.clear();
        let (address, length) = (self.address, body.len());
        write!(
            self.request,
            "POST /graphql HTTP/1.1\r\nhost: {address}\r\nuser-agent: throughput\r\ncontent-type: application/json\r\n\
             accept: application/graphql-response+json\r\n{caller}content-length: {length}\r\n\r\n{body}"
        )
        .expect("memory takes it");
        self.stream.write_all(&self.request).await.expect("the server reads");
        self.received.clear();
        let head = loop {
            self.read().await;
            if let Some(end) = self.received.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
        };
        let told = std::str::from_utf8(&self.received[..head]).expect("text");
        let status = told.get(9..12).and_then(|status| status.parse().ok()).expect("a status line");
        let length: usize = header(told, "content-length").and_then(|length| length.parse().ok()).expect("a length");
        let whole = head + 4 + length;
        while self.received.len() < whole {
            self.read().await;
        }
        assert_eq!(self.received.len(), whole, "more than was asked for");
        let text = std::str::from_utf8(&self.received).expect("text");
        Answer { status, head: &text[..head], body: &text[head + 4..] }
    }

    async fn read(&mut self) {
        self.received.reserve(32 * 1024);
        assert!(self.stream.read_buf(&mut self.received).await.expect("the server answers") > 0, "the server hung up");
    }
}

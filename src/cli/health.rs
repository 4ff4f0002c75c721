//! `voicehive health`: asks the server that runs here whether it is alive, for whatever restarts it where it is not.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};

use crate::config::Config;

/// Longer than any answer of `/livez` takes.
const TIMEOUT: Duration = Duration::from_secs(2);

/// How a TLS record with an alert begins (RFC 8446, 5.1).
const TLS_ALERT: char = '\u{15}';

pub fn check(config: &Config) -> anyhow::Result<ExitCode> {
    let listen = &config.listen;
    let address = listen.to_socket_addrs()?.next().map(reachable).with_context(|| format!("{listen} is no address"))?;
    let answer = ask(address).with_context(|| format!("no server answers at {address}"))?;
    let status = answer.split_ascii_whitespace().nth(1).unwrap_or_default();
    // A server that speaks TLS refuses this in a record of its own; it takes connections and answers.
    let refused_by_tls = config.http.tls_certificate.is_some() && answer.starts_with(TLS_ALERT);
    if status != "200" && !refused_by_tls {
        bail!("the server at {address} answers {status:?} to /livez");
    }
    writeln!(std::io::stdout(), "alive")?;
    Ok(ExitCode::SUCCESS)
}

/// A server that listens everywhere is asked on this machine.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    write!(stream, "GET /livez HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut head = [0; 64];
    let read = stream.read(&mut head)?;
    Ok(String::from_utf8_lossy(head.get(..read).unwrap_or_default()).into_owned())
}

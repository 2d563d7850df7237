//! What clients and servers say to each other: bytes in bulk, connections, requests.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::atomic::{AtomicU16, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow, ensure};
use socket2::{Domain, Protocol, Socket, Type};

/// Clients at a time, and half of the servers' threads: a proxy holds connections a little longer.
const CLIENTS: usize = 8;
/// The network of sixteen bits that the clients' addresses are of.
pub(super) const CLIENTS_NETWORK: [u8; 2] = [10, 64];
/// Streams of the bulk transfer.
const STREAMS: usize = 2;
/// Bytes of a request.
const REQUEST: usize = 64;
/// Bytes of an answer.
const ANSWER: usize = 256;
/// Bytes written at a time in bulk.
const CHUNK: usize = 1 << 17;
/// A request begins with it.
const ASK: u8 = b'?';
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Serves on a port for as long as the process lives.
pub(super) fn serve(port: u16) -> anyhow::Result<()> {
    let listener = TcpListener::bind(("0.0.0.0", port)).context("listen")?;
    for _ in 0..CLIENTS * 2 {
        let listener = listener.try_clone().context("share the listener")?;
        thread::spawn(move || {
            while let Ok((stream, _client)) = listener.accept() {
                // A client that goes away in the middle says so itself.
                let _ = answer(stream);
            }
        });
    }
    Ok(())
}

/// Answers requests, and swallows what is none.
fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE * 4))?;
    let mut bytes = vec![0; CHUNK];
    let said = [0xa5; ANSWER];
    loop {
        let count = stream.read(&mut bytes)?;
        match bytes.get(..count) {
            None | Some([]) => return Ok(()),
            Some([ASK, ..]) => stream.write_all(&said)?,
            Some(_) => {}
        }
    }
}

/// Connects from the next of many addresses: of one alone all ports would wait (TIME_WAIT) within seconds.
fn connect(to: SocketAddr) -> anyhow::Result<TcpStream> {
    static NEXT: AtomicU16 = AtomicU16::new(1);
    let [third, fourth] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let from = Ipv4Addr::new(CLIENTS_NETWORK[0], CLIENTS_NETWORK[1], third, fourth);
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket
        .bind(&SocketAddr::from((from, 0)).into())
        .with_context(|| format!("bind to {from}"))?;
    socket
        .connect_timeout(&to.into(), PATIENCE)
        .with_context(|| format!("connect to {to}"))?;
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn ask(stream: &mut TcpStream) -> anyhow::Result<()> {
    let mut answer = [0; ANSWER];
    stream
        .write_all(&[ASK; REQUEST])
        .context("send a request")?;
    stream.read_exact(&mut answer).context("read an answer")
}

/// Runs `count` clients beside each other for `time`; what each of them answers.
fn clients<T: Send + 'static>(
    count: usize,
    work: impl Fn(Instant) -> anyhow::Result<T> + Clone + Send + 'static,
    time: Duration,
) -> anyhow::Result<Vec<T>> {
    let end = Instant::now() + time;
    let threads: Vec<_> = (0..count)
        .map(|_| {
            let work = work.clone();
            thread::spawn(move || work(end))
        })
        .collect();
    threads
        .into_iter()
        .map(|thread| {
            thread
                .join()
                .map_err(|_panic| anyhow!("a client panicked"))?
        })
        .collect()
}

/// Gbit/s of some streams at once, from the client.
pub(super) fn bulk(to: SocketAddr, time: Duration) -> anyhow::Result<f64> {
    let begun = Instant::now();
    let stream = move |end: Instant| {
        let mut stream = connect(to)?;
        let bytes = vec![0; CHUNK];
        let mut sent = 0_u64;
        while Instant::now() < end {
            match stream.write(&bytes) {
                Ok(count) => sent += u64::try_from(count)?,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("send in bulk"),
            }
        }
        Ok(sent)
    };
    let sent: u64 = clients(STREAMS, stream, time)?.into_iter().sum();
    Ok(count_of(sent) * 8.0 / 1e9 / begun.elapsed().as_secs_f64())
}

/// Connections a second: each made, asked one request, and ended.
pub(super) fn connections(to: SocketAddr, time: Duration) -> anyhow::Result<f64> {
    let begun = Instant::now();
    let client = move |end: Instant| {
        let mut made = 0_u64;
        while Instant::now() < end {
            ask(&mut connect(to)?)?;
            made += 1;
        }
        Ok(made)
    };
    let made: u64 = clients(CLIENTS, client, time)?.into_iter().sum();
    Ok(count_of(made) / begun.elapsed().as_secs_f64())
}

/// Requests a second over connections that stay.
pub(super) fn requests(to: SocketAddr, time: Duration) -> anyhow::Result<f64> {
    let times = paced(to, time, Duration::ZERO)?;
    Ok(count_of(u64::try_from(times.len())?) / time.as_secs_f64())
}

/// Microseconds of each request, in order of size, at so many requests a second in all.
pub(super) fn latency(to: SocketAddr, time: Duration, rate: f64) -> anyhow::Result<Vec<f64>> {
    ensure!(rate > 0.0, "no rate to ask at");
    let every = Duration::from_secs_f64(f64::from(u32::try_from(CLIENTS)?) / rate);
    let mut times = paced(to, time, every)?;
    times.sort_by(f64::total_cmp);
    Ok(times)
}

/// Microseconds of each request of every client, which asks once in `every`. A request that comes late
/// has waited since it was due.
fn paced(to: SocketAddr, time: Duration, every: Duration) -> anyhow::Result<Vec<f64>> {
    let client = move |end: Instant| {
        let mut stream = connect(to)?;
        let mut times = Vec::new();
        let mut due = Instant::now();
        while due < end {
            let now = Instant::now();
            if every.is_zero() {
                due = now;
            } else if due > now {
                thread::sleep(due - now);
            }
            if due >= end {
                break;
            }
            ask(&mut stream)?;
            times.push(due.elapsed().as_secs_f64() * 1e6);
            due += every;
        }
        Ok(times)
    };
    Ok(clients(CLIENTS, client, time)?
        .into_iter()
        .flatten()
        .collect())
}

fn count_of(count: u64) -> f64 {
    // Counts of seconds are far below 2^53.
    u32::try_from(count >> 21).map_or(f64::INFINITY, f64::from) * f64::from(1 << 21)
        + u32::try_from(count & 0x1f_ffff).map_or(0.0, f64::from)
}

//! Tills that sell over HTTP as fast as they are answered; cheap ones, because they share the machine with the node.
//! A request is made of bytes that stand ready, with its counter written into them; of an answer only the status and
//! the length are read.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::Outcome;
use crate::baskets::{Baskets, request_body};
use crate::shop::{FIRST_COUNTER, Till, key};

/// How many baskets a till has ready; it begins anew behind the last.
const BASKETS: usize = 64;

/// Tills at one node.
pub struct Tills {
    runtime: Runtime,
    address: SocketAddr,
    tills: Vec<HttpTill>,
}

/// What a round of selling came to.
#[derive(Debug, Default)]
pub struct Round {
    /// How many sales were answered with 201.
    pub sales: u64,
    /// How long it took.
    pub seconds: f64,
    /// How long each sale took, in microseconds.
    pub latencies_us: Vec<u32>,
}

#[derive(Debug)]
struct HttpTill {
    counter: u64,
    next: usize,
    requests: Vec<Request>,
}

/// A request with the places of its counter.
#[derive(Debug)]
struct Request {
    bytes: Vec<u8>,
    counter_at: Vec<usize>,
}

impl Tills {
    /// Tills at the node that answers at `address`.
    pub fn new(address: SocketAddr, tills: Vec<Till>, items: u64) -> Outcome<Self> {
        let mut baskets = Baskets::new(11, items)?;
        let tills = tills
            .into_iter()
            .enumerate()
            .map(|(number, till)| {
                let requests = (0..BASKETS).map(|_| Request::new(address, &till, number, &mut baskets));
                Ok(HttpTill {
                    counter: till.next_counter,
                    next: number % BASKETS,
                    requests: requests.collect::<Outcome<_>>()?,
                })
            })
            .collect::<Outcome<_>>()?;
        Ok(Self {
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build()?,
            address,
            tills,
        })
    }

    /// Lets the first till sell once.
    pub fn sell_once(&mut self) -> Outcome<()> {
        self.sell(1, Duration::ZERO).map(|_| ())
    }

    /// Lets the first `count` tills sell for `time`, each one sale after the other.
    pub fn sell(&mut self, count: usize, time: Duration) -> Outcome<Round> {
        let selling: Vec<HttpTill> = self.tills.drain(..count).collect();
        let address = self.address;
        let (round, mut back) = self.runtime.block_on(async move {
            let mut connected = Vec::with_capacity(selling.len());
            for till in selling {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                connected.push((till, stream));
            }
            let started = Instant::now();
            let mut tasks = JoinSet::new();
            for (till, stream) in connected {
                tasks.spawn(till.sell(stream, started, time));
            }
            let (mut round, mut back) = (Round::default(), Vec::new());
            while let Some(done) = tasks.join_next().await {
                let (till, latencies_us) = done??;
                round.latencies_us.extend(latencies_us);
                back.push(till);
            }
            round.seconds = started.elapsed().as_secs_f64();
            round.sales = round.latencies_us.len() as u64;
            Ok::<_, crate::Failure>((round, back))
        })?;
        back.append(&mut self.tills);
        self.tills = back;
        Ok(round)
    }
}

impl HttpTill {
    async fn sell(mut self, mut stream: TcpStream, started: Instant, time: Duration) -> Outcome<(Self, Vec<u32>)> {
        let mut latencies_us = Vec::new();
        let mut answer = vec![0; 16 << 10];
        let mut asked = started;
        // Once at least.
        loop {
            let (counter, count) = (self.counter, self.requests.len());
            let request = &mut self.requests[self.next % count];
            stream.write_all(request.with(counter)).await?;
            read_answer(&mut stream, &mut answer).await?;
            self.counter += 1;
            self.next += 1;
            let answered = Instant::now();
            latencies_us.push(u32::try_from(answered.duration_since(asked).as_micros())?);
            asked = answered;
            if asked.duration_since(started) >= time {
                return Ok((self, latencies_us));
            }
        }
    }
}

impl Request {
    fn new(address: SocketAddr, till: &Till, number: usize, baskets: &mut Baskets) -> Outcome<Self> {
        let mut body = request_body(&baskets.next(number)?)?;
        body["counter"] = FIRST_COUNTER.into();
        let body = serde_json::to_vec(&body)?;
        let (token, key, length) = (&till.token, key(FIRST_COUNTER), body.len());
        let head = format!(
            "POST /v1/sales HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\nidempotency-key: {key}\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        );
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&body);
        let digits = FIRST_COUNTER.to_string().into_bytes();
        let places = bytes
            .windows(digits.len())
            .enumerate()
            .filter(|(_, window)| *window == digits);
        let counter_at: Vec<usize> = places.map(|(at, _)| at).collect();
        if counter_at.len() != 2 {
            return Err("a request has its counter in its key and in its body".into());
        }
        Ok(Self { bytes, counter_at })
    }

    fn with(&mut self, counter: u64) -> &[u8] {
        let digits = counter.to_string();
        for at in &self.counter_at {
            self.bytes[*at..*at + digits.len()].copy_from_slice(digits.as_bytes());
        }
        &self.bytes
    }
}

/// Reads one answer whole; anything but 201 is a failure.
async fn read_answer(stream: &mut TcpStream, buffer: &mut [u8]) -> Outcome<()> {
    let (mut filled, mut whole) = (0, None);
    while whole.is_none_or(|whole| filled < whole) {
        let count = stream.read(buffer.get_mut(filled..).unwrap_or_default()).await?;
        if count == 0 {
            return Err("the node closed the connection".into());
        }
        filled += count;
        if whole.is_none() {
            whole = answer_bytes(&buffer[..filled]);
        }
    }
    match buffer.get(9..12) {
        Some(b"201") => Ok(()),
        _ => Err(format!("the node answers\n{}", String::from_utf8_lossy(&buffer[..filled])).into()),
    }
}

/// How long an answer is, once its head is there.
pub fn answer_bytes(answer: &[u8]) -> Option<usize> {
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(answer.get(..head)?).ok()?;
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    })?;
    Some(head + length)
}

/// The value below which so many of a hundred lie, in milliseconds.
pub fn percentile_ms(latencies_us: &mut [u32], percent: usize) -> f64 {
    if latencies_us.is_empty() {
        return 0.0;
    }
    let at = (latencies_us.len() * percent / 100).min(latencies_us.len() - 1);
    let (_, value, _) = latencies_us.select_nth_unstable(at);
    f64::from(*value) / 1_000.0
}

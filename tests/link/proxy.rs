//! A TCP proxy on loopback that cuts each connection once it has carried so many bytes towards the broker.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub struct Proxy {
    pub port: u16,
    cuts: Arc<AtomicUsize>,
}

impl Proxy {
    pub async fn start(broker_port: u16, bytes_max: usize) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let cuts = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&cuts);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let counter = Arc::clone(&counter);
                tokio::spawn(async move {
                    let Ok(broker) = TcpStream::connect((Ipv4Addr::LOCALHOST, broker_port)).await else {
                        return;
                    };
                    carry(client, broker, bytes_max, &counter).await;
                });
            }
        });
        Self { port, cuts }
    }

    /// How many connections were cut.
    pub fn cuts(&self) -> usize {
        self.cuts.load(Ordering::SeqCst)
    }
}

async fn carry(client: TcpStream, broker: TcpStream, bytes_max: usize, cuts: &AtomicUsize) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_broker, mut to_broker) = broker.into_split();
    let upwards = async {
        let mut left = bytes_max;
        let mut buffer = vec![0; 4_096];
        loop {
            match from_client.read(&mut buffer).await {
                Ok(count) if count > left => {
                    cuts.fetch_add(1, Ordering::SeqCst);
                    return;
                }
                Ok(count) if count > 0 => {
                    left -= count;
                    if to_broker.write_all(&buffer[..count]).await.is_err() {
                        return;
                    }
                }
                _ => return,
            }
        }
    };
    tokio::select! {
        () = upwards => {}
        _ = tokio::io::copy(&mut from_broker, &mut to_client) => {}
    }
}

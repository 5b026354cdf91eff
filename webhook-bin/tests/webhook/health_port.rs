//! The second port under attack: anyone who reaches it, a probe is answered.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use test_support::client::PATIENCE;
use test_support::requests::plain_review;
use test_support::server::{Running, Setup};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

const PROBE: &[u8] = b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n";

/// A connection to the health port from this address of the loopback network.
async fn connect_from(source: [u8; 4], server: &Running) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((source, 0))).unwrap();
    socket.connect(server.health).await.unwrap()
}

/// Connections from one address that stall in every way there is. A client need not notice that one was closed.
async fn flood(source: [u8; 4], server: &Running, count: usize) -> Vec<TcpStream> {
    let mut flood = Vec::with_capacity(count);
    for number in 0..count {
        let mut connection = connect_from(source, server).await;
        let said: &[u8] = match number % 3 {
            0 => b"",
            1 => b"GET /livez HTTP/1.1\r\nx: ",
            _ => b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n",
        };
        let _ = connection.write_all(said).await;
        flood.push(connection);
    }
    flood
}

async fn answer(mut connection: TcpStream) -> String {
    let mut answer = String::new();
    tokio::time::timeout(PATIENCE, connection.read_to_string(&mut answer))
        .await
        .expect("the connection ends with its answer")
        .unwrap();
    answer
}

#[tokio::test]
async fn no_connection_outlives_its_answer() {
    let server = Setup::default().start().await;
    let mut connection = connect_from([127, 0, 0, 1], &server).await;
    connection.write_all(PROBE).await.unwrap();
    let answer = answer(connection).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
}

#[tokio::test]
async fn a_probe_gets_through_a_flood_of_stalled_connections() {
    let server = Setup::default().start().await;
    let flood = flood([127, 0, 0, 1], &server, 200).await;
    // From another address, and even from the same one.
    for source in [[127, 0, 0, 2], [127, 0, 0, 1]] {
        let mut probe = connect_from(source, &server).await;
        probe.write_all(PROBE).await.unwrap();
        assert!(answer(probe).await.starts_with("HTTP/1.1 200 OK\r\n"));
    }
    drop(flood);
}

#[tokio::test]
async fn a_probe_under_way_keeps_its_place_while_another_address_floods() {
    let server = Setup::default().start().await;
    let (begin, end) = PROBE.split_at(10);
    let mut probe = connect_from([127, 0, 0, 2], &server).await;
    probe.write_all(begin).await.unwrap();
    let flood = flood([127, 0, 0, 1], &server, 200).await;
    probe.write_all(end).await.unwrap();
    assert!(answer(probe).await.starts_with("HTTP/1.1 200 OK\r\n"));
    drop(flood);
}

/// The runtime of this test has one thread, as the webhook has on one core.
#[tokio::test]
async fn probes_and_metrics_are_answered_while_reviews_hold_every_thread() {
    let server = Setup::default().start().await;
    let mut client = server.connect().await;
    let health = server.health;
    let thread = Arc::clone(&server.thread);
    let (locked, is_locked) = std::sync::mpsc::channel();
    let (hogging, is_hogging) = std::sync::mpsc::channel();
    let begun = Arc::clone(&server.begun);
    let prober = std::thread::spawn(move || {
        let held = thread.lock().unwrap();
        locked.send(()).unwrap();
        is_hogging.recv().unwrap();
        while begun.lock().unwrap().reviews == 0 {
            std::thread::yield_now();
        }
        for path in ["/livez", "/readyz", "/metrics"] {
            let mut probe = std::net::TcpStream::connect(health).unwrap();
            probe.set_read_timeout(Some(PATIENCE)).unwrap();
            write!(probe, "GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
            let mut answer = String::new();
            probe.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        }
        drop(held);
    });
    is_locked.recv().unwrap();
    hogging.send(()).unwrap();
    assert_eq!(
        client.review(&plain_review("hog")).await.unwrap().status,
        200
    );
    prober.join().unwrap();
}

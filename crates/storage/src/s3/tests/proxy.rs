use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// A way to the emulator that fails as networks do.
#[derive(Debug, Clone, Default)]
pub(super) struct Faults {
    /// So many connections more are cut.
    pub(super) cuts: Arc<AtomicUsize>,
    /// After so many bytes of answers each.
    pub(super) cut_after: Arc<AtomicU64>,
    /// The byte of answers, counted over a connection, in which a bit is turned; 0 for none.
    pub(super) damage: Arc<AtomicU64>,
    /// Connections that were cut.
    pub(super) cut: Arc<AtomicUsize>,
}

/// Listens, and returns where.
pub(super) async fn proxy(to: &str, faults: Faults) -> String {
    let to = to.strip_prefix("http://").unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let server = TcpStream::connect(&to).await.unwrap();
            tokio::spawn(pass(client, server, faults.clone()));
        }
    });
    format!("http://{address}")
}

async fn pass(client: TcpStream, server: TcpStream, faults: Faults) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let asking =
        tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
    let (mut passed, mut buffer) = (0, vec![0; 16 * 1024]);
    while let Ok(read @ 1..) = from_server.read(&mut buffer).await {
        let limit = faults.cut_after.load(Ordering::SeqCst);
        let turned = faults.damage.load(Ordering::SeqCst);
        let bytes = &mut buffer[..read];
        if turned > passed && turned <= passed + read as u64 {
            bytes[usize::try_from(turned - passed).unwrap() - 1] ^= 1;
        }
        passed += read as u64;
        if to_client.write_all(bytes).await.is_err() {
            break;
        }
        let take = |cuts: usize| cuts.checked_sub(1);
        if passed > limit
            && faults.cuts.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok()
        {
            faults.cut.fetch_add(1, Ordering::SeqCst);
            break;
        }
    }
    asking.abort();
}

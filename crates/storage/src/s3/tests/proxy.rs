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
    /// So many requests more are answered with: fewer requests.
    pub(super) busy: Arc<AtomicUsize>,
    /// Requests that were.
    pub(super) slowed: Arc<AtomicUsize>,
}

/// As S3 says it.
const SLOW_DOWN: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>SlowDown</Code>\
     <Message>Please reduce your request rate.</Message></Error>";

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

async fn pass(mut client: TcpStream, mut server: TcpStream, faults: Faults) {
    let (mut passed, mut asked, mut answer) = (0, vec![0; 64 * 1024], vec![0; 16 * 1024]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(read @ 1..) = read else { return };
                if one_less(&faults.busy) {
                    faults.slowed.fetch_add(1, Ordering::SeqCst);
                    return slow_down(client).await;
                }
                if server.write_all(&asked[..read]).await.is_err() {
                    return;
                }
            }
            read = server.read(&mut answer) => {
                let Ok(read @ 1..) = read else { return };
                let limit = faults.cut_after.load(Ordering::SeqCst);
                let turned = faults.damage.load(Ordering::SeqCst);
                let bytes = &mut answer[..read];
                if turned > passed && turned <= passed + read as u64 {
                    bytes[usize::try_from(turned - passed).unwrap() - 1] ^= 1;
                }
                passed += read as u64;
                if client.write_all(bytes).await.is_err() {
                    return;
                }
                if passed > limit && one_less(&faults.cuts) {
                    faults.cut.fetch_add(1, Ordering::SeqCst);
                    return;
                }
            }
        }
    }
}

/// Takes one, if there is one.
fn one_less(count: &AtomicUsize) -> bool {
    let take = |left: usize| left.checked_sub(1);
    count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok()
}

/// Answers, and then takes what is sent all the same: who closes at once may take its answer back.
async fn slow_down(mut client: TcpStream) {
    let answer = format!(
        "HTTP/1.1 503 Slow Down\r\nContent-Type: application/xml\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n{SLOW_DOWN}",
        SLOW_DOWN.len()
    );
    if client.write_all(answer.as_bytes()).await.is_ok() {
        let _ = tokio::io::copy(&mut client, &mut tokio::io::sink()).await;
    }
}

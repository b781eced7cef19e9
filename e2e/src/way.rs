//! A way to a server that can be closed, as if the server were stopped: it keeps what it has.

use std::{
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// Forwards connections from a port of its own.
#[derive(Debug)]
pub struct Way {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    closed: AtomicBool,
    passing: Mutex<Vec<TcpStream>>,
}

impl Shared {
    fn passing(&self) -> MutexGuard<'_, Vec<TcpStream>> {
        self.passing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Way {
    /// An open way to `target` on loopback.
    ///
    /// # Panics
    ///
    /// No port is free.
    #[must_use]
    pub fn before(target: u16) -> Self {
        let shared = Arc::new(Shared::default());
        let port = listen_before(target, {
            let shared = Arc::clone(&shared);
            move |client, server| {
                let mut passing = shared.passing();
                // Looked at under the lock: `close` ends what it finds in there.
                if !shared.closed.load(Ordering::SeqCst) {
                    let ends = forward(client, server);
                    passing.extend(ends.into_iter().flatten());
                }
            }
        });
        Self { port, shared }
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends every connection, and every new one at once.
    pub fn close(&self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        for end in self.shared.passing().drain(..) {
            let _ = end.shutdown(Shutdown::Both);
        }
    }

    /// Lets connections through again.
    pub fn open(&self) {
        self.shared.closed.store(false, Ordering::SeqCst);
    }
}

/// Listens on a free port on loopback, which is returned, and connects to `target` for each client.
/// A server that is away refuses; so does the way to it.
///
/// # Panics
///
/// No port is free.
pub fn listen_before(
    target: u16,
    mut connected: impl FnMut(&TcpStream, &TcpStream) + Send + 'static,
) -> u16 {
    let bind = || TcpListener::bind("127.0.0.1:0").unwrap_or_else(|error| panic!("{error}"));
    let port = |listener: &TcpListener| listener.local_addr().map_or(0, |address| address.port());
    let mut listener = bind();
    if port(&listener) == target {
        // Nobody listens there yet, so the port was free: this would lead to itself. The first is
        // let go after the second was taken.
        listener = bind();
    }
    let port = port(&listener);
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect(("127.0.0.1", target)) else { continue };
            connected(&client, &server);
        }
    });
    port
}

/// Starts to forward in both directions; both ends.
fn forward(client: &TcpStream, server: &TcpStream) -> Option<[TcpStream; 2]> {
    let ends = [client.try_clone().ok()?, server.try_clone().ok()?];
    for (from, to) in [(client, server), (server, client)] {
        let (mut from, mut to) = (from.try_clone().ok()?, to.try_clone().ok()?);
        let _ = to.set_nodelay(true);
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
    }
    Some(ends)
}

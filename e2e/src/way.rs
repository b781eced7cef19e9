//! A way to a server that can be closed, as if the server were stopped, or fall silent, as if a
//! network were cut: the server keeps what it has.

use std::{
    io::{self, Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
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
    silent: Mutex<bool>,
    spoken: Condvar,
}

impl Shared {
    fn passing(&self) -> MutexGuard<'_, Vec<TcpStream>> {
        self.passing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_silent(&self, silent: bool) {
        *self.silent.lock().unwrap_or_else(PoisonError::into_inner) = silent;
        self.spoken.notify_all();
    }

    fn wait_while_silent(&self) {
        let silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.spoken.wait_while(silent, |silent| *silent));
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
                    let ends = forward(client, server, &shared);
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

    /// Nothing passes any more, and nobody is told: what is sent is neither answered nor refused.
    pub fn fall_silent(&self) {
        self.shared.set_silent(true);
    }

    /// Lets connections through again. What was sent into the silence arrives now, as it would by
    /// being sent again.
    pub fn open(&self) {
        self.shared.set_silent(false);
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
fn forward(client: &TcpStream, server: &TcpStream, shared: &Arc<Shared>) -> Option<[TcpStream; 2]> {
    let ends = [client.try_clone().ok()?, server.try_clone().ok()?];
    for (from, to) in [(client, server), (server, client)] {
        let (from, to) = (from.try_clone().ok()?, to.try_clone().ok()?);
        let shared = Arc::clone(shared);
        let _ = to.set_nodelay(true);
        std::thread::spawn(move || {
            let _ = pass_on(&from, &to, &shared);
            let _ = to.shutdown(Shutdown::Write);
        });
    }
    Some(ends)
}

fn pass_on(mut from: &TcpStream, mut to: &TcpStream, shared: &Shared) -> io::Result<()> {
    let mut bytes = vec![0; 64 << 10];
    loop {
        let read = from.read(&mut bytes)?;
        // An end does not get through either.
        shared.wait_while_silent();
        if read == 0 {
            return Ok(());
        }
        to.write_all(&bytes[..read])?;
    }
}

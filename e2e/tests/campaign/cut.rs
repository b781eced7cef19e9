//! A way to a server that can be cut after a request went through and before its reply does.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use reelfleet_e2e::way::listen_before;

/// Forwards connections from a port of its own.
#[derive(Debug)]
pub(crate) struct Cut {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    armed: AtomicBool,
    done: AtomicU64,
}

impl Cut {
    /// A way to `target` on loopback.
    pub(crate) fn before(target: u16) -> Self {
        let shared = Arc::new(Shared::default());
        let port = listen_before(target, {
            let shared = Arc::clone(&shared);
            move |client, server| forward(client, server, &shared)
        });
        Self { port, shared }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The next connection that asks for something gets no answer.
    pub(crate) fn arm(&self) {
        self.shared.armed.store(true, Ordering::SeqCst);
    }

    /// How many were cut.
    pub(crate) fn done(&self) -> u64 {
        self.shared.done.load(Ordering::SeqCst)
    }
}

fn forward(client: &TcpStream, server: &TcpStream, shared: &Arc<Shared>) {
    let doomed = Arc::new(AtomicBool::new(false));
    for replies in [false, true] {
        let (from, to) = if replies { (server, client) } else { (client, server) };
        let (Ok(mut from), Ok(mut to)) = (from.try_clone(), to.try_clone()) else { return };
        let _ = to.set_nodelay(true);
        let (shared, doomed) = (Arc::clone(shared), Arc::clone(&doomed));
        std::thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(count @ 1..) = from.read(&mut buffer) {
                if replies && doomed.load(Ordering::SeqCst) {
                    shared.done.fetch_add(1, Ordering::SeqCst);
                    break;
                }
                if !replies && shared.armed.swap(false, Ordering::SeqCst) {
                    doomed.store(true, Ordering::SeqCst);
                }
                if to.write_all(&buffer[..count]).is_err() {
                    break;
                }
            }
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
        });
    }
}

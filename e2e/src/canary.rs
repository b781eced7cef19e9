//! Notices who opens a file or connects to a port that nobody has any business with.

use std::{
    mem::MaybeUninit,
    net::{TcpListener, UdpSocket},
    os::fd::OwnedFd,
    path::Path,
};

use rustix::fs::inotify::{self, CreateFlags, Reader, WatchFlags};

/// A watch over files and one port.
#[derive(Debug)]
pub struct Canary {
    files: OwnedFd,
    tcp: TcpListener,
    udp: UdpSocket,
}

impl Canary {
    /// Watches files, and a free port over TCP and UDP.
    ///
    /// # Panics
    ///
    /// The kernel does not watch.
    #[must_use]
    pub fn watch(files: &[&Path]) -> Self {
        let flags = CreateFlags::NONBLOCK | CreateFlags::CLOEXEC;
        let watch = inotify::init(flags).unwrap_or_else(|error| panic!("{error}"));
        for file in files {
            inotify::add_watch(&watch, *file, WatchFlags::OPEN | WatchFlags::ACCESS)
                .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        }
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap_or_else(|error| panic!("{error}"));
        let address = tcp.local_addr().unwrap_or_else(|error| panic!("{error}"));
        let udp = UdpSocket::bind(address).unwrap_or_else(|error| panic!("{error}"));
        let quiet = tcp.set_nonblocking(true).and_then(|()| udp.set_nonblocking(true));
        quiet.unwrap_or_else(|error| panic!("{error}"));
        Self { files: watch, tcp, udp }
    }

    /// The watched port.
    ///
    /// # Panics
    ///
    /// It has none.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.tcp.local_addr().unwrap_or_else(|error| panic!("{error}")).port()
    }

    /// What happened since the last look: `file`, `tcp`, `udp`.
    #[must_use]
    pub fn visits(&self) -> Vec<&'static str> {
        let mut visits = Vec::new();
        let mut buffer = [const { MaybeUninit::<u8>::uninit() }; 4096];
        let mut events = Reader::new(&self.files, &mut buffer);
        while events.next().is_ok() {
            visits.push("file");
        }
        while self.tcp.accept().is_ok() {
            visits.push("tcp");
        }
        while self.udp.recv(&mut [0; 64]).is_ok() {
            visits.push("udp");
        }
        visits
    }
}

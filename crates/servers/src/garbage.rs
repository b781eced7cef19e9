use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
};

/// A server that speaks another protocol than its clients expect.
#[derive(Debug)]
pub struct Garbage {
    port: u16,
}

impl Garbage {
    /// Starts one. To whatever a client says it answers with the next of `answers`, and hangs up
    /// when it has none left.
    ///
    /// # Panics
    ///
    /// No port is free.
    #[must_use]
    pub fn start(answers: &'static [&'static str]) -> Garbage {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        std::thread::spawn(move || {
            // A client that goes away breaks only its own connection.
            for client in listener.incoming().flatten() {
                std::thread::spawn(move || speak(client, answers));
            }
        });
        Garbage { port }
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

fn speak(mut client: TcpStream, answers: &[&str]) -> std::io::Result<()> {
    for answer in answers {
        if client.read(&mut [0; 4096])? == 0 {
            break;
        }
        client.write_all(answer.as_bytes())?;
    }
    Ok(())
}

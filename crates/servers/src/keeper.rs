//! Keeps one server process for as long as the test lives.

use std::{
    io::Write as _,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
};

/// Starts the server that its arguments name, stops it with the signal that it is told, and
/// starts it again on every further line; at the end of its input it leaves nothing behind.
///
/// Its children freeze and thaw with it. They thaw when it is killed, too: only then can they see
/// that it is gone, and go as well.
const SCRIPT: &str = r#"
folder=$1; shift
children() { cat "/proc/$server/task/$server/children"; }
finish() { left=$(children); kill -s "$1" "$server"; [ -z "$left" ] || kill -s CONT $left; wait "$server"; }
"$@" >>"$folder/log" 2>&1 & server=$!
while read -r word; do
    case $word in
        start) kill -s 0 "$server" 2>/dev/null || { "$@" >>"$folder/log" 2>&1 & server=$!; } ;;
        STOP|CONT) kill -s "$word" "$server"; left=$(children); [ -z "$left" ] || kill -s "$word" $left ;;
        *) finish "$word" ;;
    esac
    echo done
done
finish KILL; rm -rf "$folder"
"#;

#[derive(Debug)]
pub(crate) struct Keeper {
    folder: PathBuf,
    shell: Child,
    orders: Option<ChildStdin>,
}

impl Keeper {
    /// Starts `server`, whose data is in `folder`, which is removed with it.
    pub(crate) fn start(folder: PathBuf, server: &[String]) -> Keeper {
        let mut shell = command("sh")
            .args(["-c", SCRIPT, "sh"])
            .arg(&folder)
            .args(server)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // It tells of every server that it was told to kill.
            .stderr(Stdio::null())
            // Ctrl-C is for the test, which then lets go of the pipe.
            .process_group(0)
            .spawn()
            .expect("sh");
        let orders = shell.stdin.take();
        Keeper { folder, shell, orders }
    }

    /// Sends the server a signal; but for STOP and CONT, returns when it is gone.
    pub(crate) fn signal(&mut self, name: &str) {
        self.order(name);
    }

    /// Starts the server again, after a signal has ended it.
    pub(crate) fn again(&mut self) {
        self.order("start");
    }

    fn order(&mut self, word: &str) {
        use std::io::Read as _;
        let orders = self.orders.as_mut().expect("the pipe is open until the end");
        writeln!(orders, "{word}").expect("sh is there");
        let mut answer = [0; 5];
        let said = self.shell.stdout.as_mut().expect("piped").read_exact(&mut answer);
        assert!(said.is_ok() && &answer == b"done\n", "{word}: {}", self.log());
    }

    /// What the server has said.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.orders = None;
        let _ = self.shell.wait();
    }
}

/// A command of the tests.
pub(crate) fn command(program: impl AsRef<Path>) -> Command {
    #[expect(clippy::disallowed_methods, reason = "servers of the tests are started here")]
    Command::new(program.as_ref())
}

/// Runs a command to its end.
///
/// # Panics
///
/// It fails.
pub(crate) fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => {}
        Ok(output) => panic!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => panic!("{command:?}: {error}"),
    }
}

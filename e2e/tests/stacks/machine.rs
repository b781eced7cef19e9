//! A fresh instance, as a folder: the real scripts in a root of their own. Only what is systemd's,
//! the group's and the kernel's is stood in for.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use reelfleet_e2e::cloud::{Cloud, Said, deployment, run};

/// It starts the role as its unit says: the secrets, as root, and then the role, which says that it
/// is up if they are there, and then a lot more.
const SYSTEMCTL: &str = r#"#!/bin/sh
echo "systemctl $*" >>/record
case "$*" in
    "start --no-block reelfleet-api" | "start --no-block reelfleet-worker")
        role=${3#reelfleet-}
        if /opt/reelfleet/instance/secrets.sh "$role" >>/journal 2>&1; then
            echo '{"message":"worker 1 takes jobs"}' >>/journal
            # More than a pipe holds.
            seq 50000 >>/journal
            touch /var/lib/reelfleet/up
        fi ;;
    is-active*) test -e /var/lib/reelfleet/up ;;
esac
"#;
const JOURNALCTL: &str = "#!/bin/sh\ncat /journal 2>/dev/null\n";
const SIGNAL: &str = "#!/bin/sh\necho \"signal $*\" >>/record\n";
const SHUTDOWN: &str = "#!/bin/sh\necho \"shutdown $*\" >>/record\n";
/// The executable, as far as a boot asks it.
const REELFLEET: &str = "#!/bin/sh\ntest \"$*\" = 'healthcheck --url http://127.0.0.1:8080' && test -e /var/lib/reelfleet/up\n";

const SETTINGS: &str = "\
BOOT_STACK=film-06-workers-autoscaling
BOOT_RESOURCE=Group
BOOT_LOG_GROUP=/reelfleet/film/worker
BOOT_DB_SECRET=film/db
BOOT_DB_HOST=db.example.org
BOOT_DB_PORT=5432
BOOT_DB_NAME=reelfleet
BOOT_JWT_SECRET=film/jwt
BOOT_UPLOAD_DRAIN_SECONDS=300
AWS_REGION=us-east-1
QUEUE_TYPE=sqs
DRAIN_SECONDS=900
WORKER_CONCURRENCY=
";

/// A fresh machine, as a folder.
pub(crate) struct Machine {
    cloud: Cloud,
    endpoint: String,
    pub(crate) root: PathBuf,
}

fn script(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

impl Machine {
    pub(crate) fn fresh(endpoint: &str, ssl_mode: &str) -> Self {
        let cloud = Cloud::at(endpoint);
        let root = cloud.folder().join("root");
        for folder in ["etc/reelfleet", "etc/systemd/system", "run", "var/lib/reelfleet"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        for file in [
            "passwd",
            "group",
            "shadow",
            "gshadow",
            "login.defs",
            "nsswitch.conf",
            "hosts",
            "ld.so.cache",
        ] {
            let _ = fs::copy(Path::new("/etc").join(file), root.join("etc").join(file));
        }
        let bundle = root.join("opt/reelfleet");
        for file in fs::read_dir(deployment().join("instance")).unwrap().map(Result::unwrap) {
            fs::create_dir_all(bundle.join("instance")).unwrap();
            fs::copy(file.path(), bundle.join("instance").join(file.file_name())).unwrap();
        }
        script(&bundle.join("bin/reelfleet"), REELFLEET);
        fs::write(bundle.join("VERSION"), "1.0.0\n").unwrap();
        script(&root.join("opt/aws/bin/cfn-signal"), SIGNAL);
        script(&root.join("stand-ins/systemctl"), SYSTEMCTL);
        script(&root.join("stand-ins/journalctl"), JOURNALCTL);
        script(&root.join("stand-ins/shutdown"), SHUTDOWN);
        let settings = format!("{SETTINGS}DB_SSL_MODE={ssl_mode}\n");
        fs::write(root.join("etc/reelfleet/stack.env"), settings).unwrap();
        Self { cloud, endpoint: endpoint.to_owned(), root }
    }

    pub(crate) fn secret(&self, name: &str, text: &str) {
        let words = ["secretsmanager", "create-secret", "--name", name, "--secret-string", text];
        let _ = self.cloud.aws(&words);
    }

    /// A command on this machine: its own `/etc`, `/opt`, `/run`, and the programs of this one.
    pub(crate) fn command(&self) -> Command {
        let mut bwrap = self.cloud.command("bwrap");
        bwrap.arg("--bind").arg(&self.root).arg("/");
        let own = ["etc", "opt", "run", "var", "tmp", "proc", "dev", "sys"];
        for entry in fs::read_dir("/").unwrap().map(Result::unwrap) {
            let (path, name) = (entry.path(), entry.file_name());
            match fs::read_link(&path) {
                _ if own.iter().any(|own| name == *own) => {}
                Ok(target) => {
                    let _ = std::os::unix::fs::symlink(target, self.root.join(name));
                }
                Err(_) => {
                    bwrap.arg("--ro-bind").arg(&path).arg(&path);
                }
            }
        }
        bwrap.args(["--ro-bind-try", "/etc/alternatives", "/etc/alternatives"]);
        bwrap.args(["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--die-with-parent"]);
        // The aws command is beside the sources, wherever those are.
        let tools = deployment().join("../.tools").canonicalize().unwrap();
        bwrap.arg("--ro-bind").arg(&tools).arg(&tools);
        let path = format!(
            "/stand-ins:{}/aws-templates/aws/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            tools.display()
        );
        bwrap.args(["--setenv", "PATH", &path, "--setenv", "HOME", "/tmp"]);
        bwrap.args(["--setenv", "AWS_ENDPOINT_URL", &self.endpoint]);
        bwrap
    }

    pub(crate) fn boot(&self, role: &str, patience_s: u32) -> Said {
        let settings = self.root.join("etc/reelfleet/stack.env");
        let mut text = fs::read_to_string(&settings).unwrap();
        text += &format!("BOOT_PATIENCE_SECONDS={patience_s}\n");
        fs::write(settings, text).unwrap();
        Said::of(&run(self.command().args(["/opt/reelfleet/instance/boot.sh", role])))
    }

    pub(crate) fn text(&self, path: &str) -> String {
        fs::read_to_string(self.root.join(path)).unwrap_or_default()
    }

    /// Contents, and who may read them.
    pub(crate) fn guarded(&self, path: &str) -> (String, u32) {
        let mode = fs::metadata(self.root.join(path)).unwrap().permissions().mode() & 0o777;
        (self.text(path), mode)
    }

    pub(crate) fn signals(&self) -> Vec<String> {
        self.recorded("signal")
    }

    /// Calls of a stand-in, with all that it was given.
    pub(crate) fn recorded(&self, program: &str) -> Vec<String> {
        let record = self.text("record");
        record.lines().filter(|line| line.starts_with(program)).map(str::to_owned).collect()
    }
}

//! The commands of a deployment, on a database of their own, without `up`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

use reelfleet_db::{Db, NewUser, Role, User};

/// Runs a command on the database in `folder`, with `input` as its standard input.
fn reelfleet(folder: &Path, arguments: &[&str], input: &str) -> Output {
    reelfleet_with(folder, arguments, input, &[])
}

/// The same, with more variables.
fn reelfleet_with(
    folder: &Path,
    arguments: &[&str],
    input: &str,
    variables: &[(&str, &str)],
) -> Output {
    #[expect(clippy::disallowed_methods, reason = "a test of the executable starts it")]
    let mut command = Command::new(env!("CARGO_BIN_EXE_reelfleet"));
    let mut child = command
        .args(arguments)
        .env_clear()
        .envs([
            ("DATABASE_URL", url(folder)),
            ("STORAGE_DIR", folder.join("blobs").display().to_string()),
            ("WORK_DIR", folder.join("work").display().to_string()),
            ("JWT_SECRET", "q8Zr1vN0xk3Tt7Yw5uJm2Lc9Hb6Ds4Pf".to_owned()),
            ("LISTEN_ADDR", "127.0.0.1:0".to_owned()),
        ])
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that wants no input may be gone by now.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn url(folder: &Path) -> String {
    format!("sqlite:{}/reelfleet.db", folder.display())
}

fn said(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn migrated() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    assert!(reelfleet(folder.path(), &["migrate"], "").status.success());
    folder
}

async fn account(folder: &Path, email: &str) -> Option<User> {
    Db::open(&url(folder)).await.unwrap().user_by_email(email).await.unwrap()
}

/// An account as sign-up makes it.
async fn signed_up(folder: &Path, email: &str) -> User {
    let db = Db::open(&url(folder)).await.unwrap();
    let (email, password_hash) = (email.to_owned(), "hash".to_owned());
    db.create_user(&NewUser { email, password_hash, role: Role::User }).await.unwrap()
}

#[test]
fn a_database_without_schema_is_answered_with_the_command_to_run_and_nothing_else() {
    for command in [&["api"][..], &["worker"], &["account", "ada@example.org"]] {
        let folder = tempfile::tempdir().unwrap();
        let output = reelfleet(folder.path(), command, "");
        assert_eq!(output.status.code(), Some(69), "{command:?}");
        assert_eq!(
            said(&output.stderr),
            "reelfleet: the database's schema does not fit this version: there is none yet. \
             Run `reelfleet migrate` first.\n",
            "{command:?}"
        );
        assert_eq!(said(&output.stdout), "", "{command:?}");
    }
}

#[tokio::test]
async fn an_account_is_made_with_a_link_that_signs_in_once() {
    let folder = migrated();
    for (arguments, role) in [
        (&["account", "ann@example.org"][..], Role::User),
        (&["account", "ada@example.org", "--operator"], Role::Operator),
    ] {
        let output = reelfleet(folder.path(), arguments, "");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let link = said(&output.stdout);
        let token = link.strip_prefix("/sign-in/").unwrap().trim_end();
        assert_eq!(token.len(), 64, "{link}");
        assert!(!said(&output.stderr).contains(token));
        assert!(said(&output.stderr).contains(role.as_str()), "{output:?}");
        let made = account(folder.path(), arguments[1]).await.unwrap();
        assert_eq!((made.role, made.password_hash.as_str()), (role, ""));

        let again = reelfleet(folder.path(), arguments, "");
        assert_eq!(again.status.code(), Some(0), "{again:?}");
        assert_ne!(said(&again.stdout), link);
    }
}

#[tokio::test]
async fn an_account_that_somebody_signed_up_for_is_not_promoted_by_a_link() {
    let folder = migrated();
    let before = signed_up(folder.path(), "ada@example.org").await;
    let output = reelfleet(folder.path(), &["account", "ADA@example.org", "--operator"], "");
    assert_eq!((output.status.code(), said(&output.stdout)), (Some(2), String::new()));
    assert!(said(&output.stderr).contains("--password-stdin takes it over"), "{output:?}");
    // What it is already it may be, but then whoever knows its password keeps it.
    let output = reelfleet(folder.path(), &["account", "ada@example.org"], "");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(said(&output.stderr).contains("--password-stdin takes it over"), "{output:?}");
    let now = account(folder.path(), "ada@example.org").await.unwrap();
    assert_eq!((now.id, now.role, now.token_version), (before.id, Role::User, 0));
    assert_eq!(now.password_hash, before.password_hash);
}

#[tokio::test]
async fn a_password_is_read_from_standard_input_and_never_shown() {
    let folder = migrated();
    let arguments = ["account", "--operator", "--password-stdin", "ada@example.org"];
    let refused = reelfleet(folder.path(), &arguments, "short\n");
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(said(&refused.stderr).contains("10 to 128 characters"), "{refused:?}");
    assert!(account(folder.path(), "ada@example.org").await.is_none());

    let output = reelfleet(folder.path(), &arguments, "correct horse\nnot this line\n");
    assert_eq!((output.status.code(), said(&output.stdout)), (Some(0), String::new()));
    assert!(!said(&output.stderr).contains("horse"), "{output:?}");
    let made = account(folder.path(), "ada@example.org").await.unwrap();
    assert!(made.password_hash.starts_with("$argon2id$"));
    assert_eq!(made.role, Role::Operator);
}

#[tokio::test]
async fn a_password_takes_an_account_over_with_the_role_that_is_asked_for() {
    let folder = migrated();
    let before = signed_up(folder.path(), "ada@example.org").await;
    let mut arguments = vec!["account", "ADA@example.org", "--password-stdin", "--operator"];
    for (version, role) in [(1, Role::Operator), (2, Role::User)] {
        let output = reelfleet(folder.path(), &arguments, "correct horse\n");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(said(&output.stderr).contains(role.as_str()), "{output:?}");
        let now = account(folder.path(), "ada@example.org").await.unwrap();
        assert_eq!((now.id, now.role, now.token_version), (before.id, role, version));
        assert!(now.password_hash.starts_with("$argon2id$"));
        arguments.pop();
    }
}

#[test]
fn up_says_what_to_do_when_its_operators_address_is_somebodys() {
    let folder = migrated();
    let made = reelfleet(folder.path(), &["account", "operator@localhost"], "");
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    let data = folder.path().join("data").display().to_string();
    let output = reelfleet(folder.path(), &["up", "--data", &data], "");
    assert_eq!(output.status.code(), Some(69), "{output:?}");
    assert!(said(&output.stderr).contains("reelfleet account EMAIL --operator"), "{output:?}");
}

#[test]
fn a_value_in_a_file_is_as_good_as_one_in_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("url");
    std::fs::write(&file, format!("sqlite:{}/filed.db\n", folder.path().display())).unwrap();
    let file = file.display().to_string();
    let variables = [("DATABASE_URL", ""), ("DATABASE_URL_FILE", file.as_str())];
    let output = reelfleet_with(folder.path(), &["migrate"], "", &variables);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(
        folder.path().join("filed.db").exists() && !folder.path().join("reelfleet.db").exists()
    );
}

#[test]
fn a_file_that_is_missing_is_named_by_its_variable_and_nothing_starts() {
    let commands = [&["api"][..], &["worker"], &["migrate"], &["account", "ada@example.org"]];
    for command in commands.into_iter().chain([&["queue"][..]]) {
        let folder = tempfile::tempdir().unwrap();
        let name = if command == ["queue"] { "REELFLEET_TOKEN_FILE" } else { "DATABASE_URL_FILE" };
        let variables = [("DATABASE_URL", ""), (name, "/nowhere/hunter2")];
        let output = reelfleet_with(folder.path(), command, "", &variables);
        assert_eq!(output.status.code(), Some(64), "{command:?} {output:?}");
        let said = said(&output.stderr);
        assert!(said.contains(name) && !said.contains("hunter2"), "{command:?} {said}");
    }
}

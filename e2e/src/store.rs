//! The rows as they are, read by the database's own client rather than by the code under test.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{path::PathBuf, process::Stdio};

use reelfleet_servers::NextRelease;

/// Notes every time that a job becomes done, which must be once.
const NOTE_POSTGRES: &str = "
CREATE TABLE effects (job uuid, epoch bigint);
CREATE FUNCTION note_effect() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN INSERT INTO effects VALUES (NEW.id, NEW.epoch); RETURN NULL; END';
CREATE TRIGGER note_effect AFTER UPDATE OF state ON jobs FOR EACH ROW WHEN (NEW.state = 'done')
    EXECUTE FUNCTION note_effect();";
const NOTE_SQLITE: &str = "
CREATE TABLE effects (job text, epoch integer);
CREATE TRIGGER note_effect AFTER UPDATE OF state ON jobs WHEN NEW.state = 'done'
    BEGIN INSERT INTO effects VALUES (NEW.id, NEW.epoch); END;";

/// How to get at the rows.
#[derive(Debug)]
pub enum Store {
    /// Its file.
    Sqlite(PathBuf),
    /// Its URL.
    Postgres(String),
}

impl Store {
    /// The one that a `DATABASE_URL` names.
    pub fn of(url: &str) -> Self {
        match url.strip_prefix("sqlite:") {
            Some(file) => Self::Sqlite(file.into()),
            None => Self::Postgres(url.to_owned()),
        }
    }

    /// Makes the schema of a version after this one, as it is while its migrations run: one after the other.
    pub fn make_next_release(&self) {
        let next = match self {
            Self::Sqlite(_) => NextRelease::SQLITE,
            Self::Postgres(_) => NextRelease::POSTGRES,
        };
        let tables = self.rows(next.tables);
        assert!(tables.len() > 10, "{tables:?}");
        for table in &tables {
            self.rows(&NextRelease::column(&table[0]));
        }
        self.rows(next.table);
        self.rows(next.note);
    }

    /// Notes every time that a job becomes done.
    pub fn note_effects(&self) {
        self.rows(match self {
            Self::Sqlite(_) => NOTE_SQLITE,
            Self::Postgres(_) => NOTE_POSTGRES,
        });
    }

    /// What a query comes to: columns as text, NULL as nothing.
    pub fn rows(&self, query: &str) -> Vec<Vec<String>> {
        let (program, words) = match self {
            Self::Sqlite(file) => {
                let file = file.display().to_string();
                (
                    "sqlite3",
                    vec!["-bail".to_owned(), "-cmd".to_owned(), ".timeout 60000".to_owned(), file],
                )
            }
            Self::Postgres(url) => {
                let words =
                    ["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-d", url.as_str(), "-c"];
                ("psql", words.map(str::to_owned).to_vec())
            }
        };
        #[expect(clippy::disallowed_methods, reason = "a database's own client")]
        let output = std::process::Command::new(program)
            .args(words)
            .arg(query)
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program}: {error}");
        let text = String::from_utf8(output.stdout).unwrap();
        let split = |line: &str| line.split('|').map(ToOwned::to_owned).collect();
        text.lines().filter(|line| !line.is_empty()).map(split).collect()
    }

    /// SQLite finds nothing wrong with its file. Of Postgres nothing is asked.
    pub fn assert_whole(&self) {
        if matches!(self, Self::Sqlite(_)) {
            assert_eq!(self.rows("PRAGMA integrity_check"), [["ok"]]);
        }
    }

    /// One number.
    pub fn count(&self, query: &str) -> u64 {
        self.rows(query)[0][0].parse().unwrap()
    }
}

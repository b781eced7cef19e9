//! Which databases this version works on, and which other versions work on its own.
//!
//! While an update rolls, and after one was rolled back, a version runs on a schema that a newer one has
//! made. That does no harm while migrations only add: statements name the tables and columns that they
//! use. The table `schema_floor` says from which version on that is so.

use sqlx::migrate::Migrator;

use crate::{Error, Result, postgres};

/// What the migrations of this version leave in `schema_floor`: the newest migration of the oldest
/// version that works on this schema.
///
/// A migration that adds (a table, an index, a column that may be left out) does not raise it. One that
/// takes away or changes what an older version's statements use does, in its own text, to the newest
/// migration of the oldest version that does not use it any more. For an update that can be rolled back
/// that is the version before: it stops using a thing, the next one takes it away. A version that stops
/// without a migration cannot be told from the one before it, so it brings one, if only to be known by.
/// A version that writes rows which older ones cannot read, as of a new kind of job, raises it to its own.
const FLOOR: i64 = 4;

/// The two numbers by which versions are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schema {
    /// The newest migration that this version knows. It knows all before it.
    pub newest: i64,
    /// The newest migration of the oldest version that works on this one's schema.
    pub floor: i64,
}

impl Schema {
    /// This version's, which are the same for every database.
    #[must_use]
    pub fn known() -> Self {
        Self { newest: newest(&postgres::migrations()), floor: FLOOR }
    }
}

fn newest(migrations: &Migrator) -> i64 {
    migrations.iter().map(|migration| migration.version).max().unwrap_or_default()
}

/// Compares the migrations that a database has had, each with the checksum of its text, with those of this version.
/// The last one, if a newer version has made it: then [`check_floor`] decides.
pub(crate) fn check(applied: &[(i64, Vec<u8>)], migrations: &Migrator) -> Result<Option<i64>> {
    let newest = newest(migrations);
    let mut had = 0;
    let mut newer = None;
    for (version, checksum) in applied {
        match migrations.iter().find(|migration| migration.version == *version) {
            // A released migration never changes, so only an unreleased one can differ.
            Some(migration) if *migration.checksum != **checksum => return Err(of_development()),
            Some(_) => had += 1,
            None if *version < newest => return Err(of_development()),
            None => newer = newer.max(Some(*version)),
        }
    }
    let needed = migrations.iter().count();
    match had {
        // Every version makes all before its own.
        had if had < needed && newer.is_some() => Err(of_development()),
        0 => Err(Error::Schema("there is none yet".to_owned())),
        had if had < needed => {
            Err(Error::Schema(format!("it has had {had} of {needed} migrations")))
        }
        _ => Ok(newer),
    }
}

fn of_development() -> Error {
    let why = "it was made by a development version. Start with a new database.";
    Error::OtherSchema(why.to_owned())
}

/// Whether this version works on a schema whose last migration, `last`, is of a newer one. A database
/// that has lost its floor is for those that know all of it.
pub(crate) fn check_floor(floor: Option<i64>, last: i64, migrations: &Migrator) -> Result<()> {
    let (floor, newest) = (floor.unwrap_or(last), newest(migrations));
    if floor <= newest {
        return Ok(());
    }
    Err(Error::OtherSchema(format!(
        "a newer version has made migration {last}, and only versions that know migration {floor} work on it; \
         this one knows {newest}. Start one that knows {floor}, or restore a backup of before."
    )))
}

#[cfg(test)]
mod tests {
    use sqlx::{
        SqlSafeStr,
        migrate::{Migration, MigrationType, Migrator},
    };

    use super::*;
    use crate::sqlite;

    /// Two migrations, and how a database notes that it has had them.
    fn two() -> (Migrator, [(i64, Vec<u8>); 2]) {
        let migration = |version, sql: &'static str| {
            let sql = sql.into_sql_str();
            Migration::new(version, "".into(), MigrationType::Simple, sql, false)
        };
        let (one, two) = (migration(1, "one"), migration(2, "two"));
        let had = [(1, one.checksum.to_vec()), (2, two.checksum.to_vec())];
        (Migrator::with_migrations(vec![one, two]), had)
    }

    #[test]
    fn a_schema_is_judged_by_versions_and_checksums() {
        let (migrations, [first, second]) = two();
        let (odd, newer, newest) = ((1, vec![0]), (3, vec![0]), (4, vec![0]));
        let (zeroth, development) = ((0, vec![0]), "made by a development version");
        for (applied, expected) in [
            (vec![first.clone(), second.clone()], Ok(None)),
            (vec![first.clone(), second.clone(), newer.clone()], Ok(Some(3))),
            (vec![first.clone(), newest, newer.clone(), second.clone()], Ok(Some(4))),
            (vec![], Err("there is none yet")),
            (vec![first.clone()], Err("it has had 1 of 2 migrations")),
            (vec![second.clone()], Err("it has had 1 of 2 migrations")),
            (vec![odd.clone()], Err(development)),
            (vec![odd.clone(), second.clone()], Err(development)),
            (vec![odd, second.clone(), newer.clone()], Err(development)),
            (vec![first, newer.clone()], Err(development)),
            (vec![newer], Err(development)),
            (vec![zeroth, second], Err(development)),
        ] {
            let said = check(&applied, &migrations).map_err(|error| error.to_string());
            match (&said, expected) {
                (Ok(newer), Ok(expected)) => assert_eq!(*newer, expected),
                (Err(said), Err(part)) => assert!(said.contains(part), "{said}"),
                _ => panic!("{said:?} is not {expected:?}"),
            }
        }
    }

    #[test]
    fn a_newer_schema_is_for_those_that_know_its_floor() {
        let (migrations, _) = two();
        for (floor, last, works) in [
            (Some(1), 5, true),
            (Some(2), 5, true),
            (Some(3), 5, false),
            (Some(5), 5, false),
            (None, 5, false),
        ] {
            match check_floor(floor, last, &migrations) {
                Ok(()) => assert!(works, "{floor:?}"),
                Err(error) => {
                    let (said, floor) = (error.to_string(), floor.unwrap_or(last));
                    assert!(!works, "{said}");
                    for part in [
                        "made migration 5".to_owned(),
                        "this one knows 2.".to_owned(),
                        format!("Start one that knows {floor}, or restore"),
                    ] {
                        assert!(said.contains(&part), "{said}");
                    }
                }
            }
        }
    }

    /// Releases are compared by these numbers, whatever their database.
    #[test]
    fn every_database_has_the_same_migrations_without_a_gap() {
        let known = Schema::known();
        assert!(known.floor <= known.newest, "{known:?}");
        let expected: Vec<i64> = (1..=known.newest).collect();
        for migrations in [postgres::migrations(), sqlite::migrations()] {
            let versions: Vec<i64> = migrations.iter().map(|one| one.version).collect();
            assert_eq!(versions, expected);
        }
    }
}

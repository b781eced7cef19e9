use sqlx::migrate::Migrator;

use crate::{Error, Result};

/// Compares the migrations that a database has had, each with the checksum of its text, with those of this version.
pub(crate) fn check(applied: &[(i64, Vec<u8>)], migrations: &Migrator) -> Result<()> {
    for (version, checksum) in applied {
        match migrations.iter().find(|migration| migration.version == *version) {
            None => return Err(Error::OtherSchema("it was made by a newer version")),
            // A released migration never changes, so only an unreleased one can differ.
            Some(migration) if *migration.checksum != **checksum => {
                return Err(Error::OtherSchema(
                    "it was made by a development version. Start with a new database.",
                ));
            }
            Some(_) => {}
        }
    }
    let needed = migrations.iter().count();
    match applied.len() {
        0 => Err(Error::Schema("there is none yet".to_owned())),
        had if had < needed => {
            Err(Error::Schema(format!("it has had {had} of {needed} migrations")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use sqlx::{
        SqlSafeStr,
        migrate::{Migration, MigrationType, Migrator},
    };

    use super::*;

    #[test]
    fn a_schema_is_judged_by_versions_and_checksums() {
        let migration = |version, sql: &'static str| {
            let sql = sql.into_sql_str();
            Migration::new(version, "".into(), MigrationType::Simple, sql, false)
        };
        let (one, two) = (migration(1, "one"), migration(2, "two"));
        let (first, second) = ((1, one.checksum.to_vec()), (2, two.checksum.to_vec()));
        let migrations = Migrator::with_migrations(vec![one, two]);
        let (odd, newer) = ((1, vec![0]), (3, vec![0]));
        for (applied, expected) in [
            (vec![first.clone(), second.clone()], None),
            (vec![], Some("there is none yet")),
            (vec![first.clone()], Some("it has had 1 of 2 migrations")),
            (vec![second.clone()], Some("it has had 1 of 2 migrations")),
            (vec![odd.clone()], Some("made by a development version")),
            (vec![odd, second.clone()], Some("made by a development version")),
            (vec![first, second, newer], Some("made by a newer version")),
        ] {
            let said = check(&applied, &migrations).err().map(|error| error.to_string());
            match (&said, expected) {
                (None, None) => {}
                (Some(said), Some(part)) => assert!(said.contains(part), "{said}"),
                _ => panic!("{said:?} is not {expected:?}"),
            }
        }
    }
}

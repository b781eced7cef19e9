//! The schema as a version after this one may leave it, as statements for a test to run one by one.

/// What one database is told. It adds to every table, makes one, and notes the migration as sqlx does; so
/// it leaves the floor where it is.
#[derive(Debug, Clone, Copy)]
pub struct NextRelease {
    /// Lists the tables, each of which is given [`NextRelease::column`].
    pub tables: &'static str,
    /// Makes another table.
    pub table: &'static str,
    /// Notes the migration.
    pub note: &'static str,
}

impl NextRelease {
    /// On Postgres.
    pub const POSTGRES: Self = Self {
        tables: "SELECT tablename::text FROM pg_tables
                  WHERE schemaname = current_schema() AND tablename <> '_sqlx_migrations'",
        table: "CREATE TABLE of_the_next (id BIGINT PRIMARY KEY)",
        note:
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
               SELECT max(version) + 1, 'next', TRUE, '\\x00'::bytea, 1 FROM _sqlx_migrations",
    };

    /// On SQLite.
    pub const SQLITE: Self = Self {
        tables: "SELECT name FROM sqlite_schema
                  WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name <> '_sqlx_migrations'",
        table: "CREATE TABLE of_the_next (id INTEGER PRIMARY KEY) STRICT",
        note:
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
               SELECT max(version) + 1, 'next', TRUE, x'00', 1 FROM _sqlx_migrations",
    };

    /// What a migration that takes something away does besides, on either: it makes the database one for
    /// those who know it.
    pub const RAISE: &str =
        "UPDATE schema_floor SET migration = (SELECT max(version) FROM _sqlx_migrations)";

    /// Adds a column that older statements need not name.
    #[must_use]
    pub fn column(table: &str) -> String {
        format!("ALTER TABLE {table} ADD COLUMN of_the_next INTEGER NOT NULL DEFAULT 0")
    }
}

//! Rows into records. Ids are text.

use sqlx::sqlite::SqliteRow;

crate::decode::decoders!(SqliteRow);

/// An id of ours.
pub(crate) fn id<T>(row: &SqliteRow, column: &str) -> Result<T>
where
    T: FromStr,
    T::Err: std::fmt::Display,
{
    word(row, column)
}

fn optional_id<T>(row: &SqliteRow, column: &str) -> Result<Option<T>>
where
    T: FromStr,
    T::Err: std::fmt::Display,
{
    match row.try_get::<Option<&str>, _>(column)? {
        Some(_) => word(row, column).map(Some),
        None => Ok(None),
    }
}

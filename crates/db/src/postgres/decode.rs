//! Rows into records. Ids are UUIDs.

use sqlx::postgres::PgRow;
use uuid::Uuid;

crate::decode::decoders!(PgRow);

/// An id of ours.
pub(crate) fn id<T: From<Uuid>>(row: &PgRow, column: &str) -> Result<T> {
    Ok(row.try_get::<Uuid, _>(column)?.into())
}

fn optional_id<T: From<Uuid>>(row: &PgRow, column: &str) -> Result<Option<T>> {
    Ok(row.try_get::<Option<Uuid>, _>(column)?.map(T::from))
}

pub(crate) fn claimed(row: &PgRow) -> Result<crate::RawClaimed> {
    Ok(crate::RawClaimed {
        id: id(row, "id")?,
        epoch: count(row, "epoch")?,
        attempts: count(row, "attempts")?,
        max_attempts: count(row, "max_attempts")?,
        payload: row.try_get("payload")?,
    })
}

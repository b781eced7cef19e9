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

//! A statement by itself: a connection is taken for it, and goes back after its last row.

use futures_util::{
    TryFutureExt, TryStreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use sqlx::{
    Describe, Either, Execute, Executor, Postgres, Result, SqlStr,
    postgres::{PgQueryResult, PgRow, PgStatement, PgTypeInfo},
};

use super::{Connections, Left};

/// What a statement comes back with, piece by piece.
type Step = Either<PgQueryResult, PgRow>;

impl<'c> Executor<'c> for &'c Connections {
    type Database = Postgres;

    /// All rows are read before the first is given: whoever reads slowly holds no connection.
    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Step>>
    where
        E: 'q + Execute<'q, Postgres>,
    {
        let pool = self.clone();
        let steps = async move {
            let mut held = pool.take().await?;
            held.left = Left::Answer;
            let steps: Vec<Step> = held.fetch_many(query).try_collect().await?;
            held.left = Left::Nothing;
            Ok(stream::iter(steps.into_iter().map(Ok)))
        };
        Box::pin(steps.try_flatten_stream())
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>>>
    where
        E: 'q + Execute<'q, Postgres>,
    {
        let pool = self.clone();
        Box::pin(async move {
            let mut held = pool.take().await?;
            held.left = Left::Answer;
            let row = held.fetch_optional(query).await?;
            held.left = Left::Nothing;
            Ok(row)
        })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement>>
    where
        'c: 'e,
    {
        Box::pin(async move { self.take().await?.prepare_with(sql, parameters).await })
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>>>
    where
        'c: 'e,
    {
        Box::pin(async move { self.take().await?.describe(sql).await })
    }
}

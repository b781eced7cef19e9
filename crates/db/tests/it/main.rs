//! One suite that every database passes. A further database is one more module beside `sqlite`.

mod sqlite;
mod suite;

//! One suite that every broker passes. A further broker is one more module beside `database`.

mod database;
mod suite;

use std::time::Duration;

use reelfleet_job::UserId;
use sqlx::SqliteConnection;

use super::{Sqlite, decode, millis, now};
use crate::{NewUser, Result, User, decode::user_columns};

impl Sqlite {
    pub(crate) async fn create_user(&self, new: &NewUser) -> Result<User> {
        let row = sqlx::query(concat!(
            "INSERT INTO users (id, email, password_hash, role, created_at)
             VALUES (?, ?, ?, ?, ",
            now!(),
            ") RETURNING ",
            user_columns!()
        ))
        .bind(UserId::generate().to_string())
        .bind(&new.email)
        .bind(&new.password_hash)
        .bind(new.role.as_str())
        .fetch_one(&self.write)
        .await?;
        decode::user(&row)
    }

    pub(crate) async fn user_by_email(&self, email: &str) -> Result<Option<User>> {
        let row = sqlx::query(concat!("SELECT ", user_columns!(), " FROM users WHERE email = ?"))
            .bind(email)
            .fetch_optional(&self.read)
            .await?;
        row.as_ref().map(decode::user).transpose()
    }

    pub(crate) async fn user(&self, id: UserId) -> Result<Option<User>> {
        let row = sqlx::query(concat!("SELECT ", user_columns!(), " FROM users WHERE id = ?"))
            .bind(id.to_string())
            .fetch_optional(&self.read)
            .await?;
        row.as_ref().map(decode::user).transpose()
    }

    pub(crate) async fn first_operator(&self) -> Result<Option<User>> {
        let row = sqlx::query(concat!(
            "SELECT ",
            user_columns!(),
            " FROM users WHERE role = 'operator' ORDER BY id LIMIT 1"
        ))
        .fetch_optional(&self.read)
        .await?;
        row.as_ref().map(decode::user).transpose()
    }

    pub(crate) async fn take_over(&self, new: &NewUser) -> Result<User> {
        let mut transaction = self.begin().await?;
        let row = sqlx::query(concat!(
            "INSERT INTO users (id, email, password_hash, role, created_at)
             VALUES (?, ?, ?, ?, ",
            now!(),
            ") ON CONFLICT (email) DO UPDATE SET password_hash = excluded.password_hash,
                   role = excluded.role, token_version = token_version + 1
             RETURNING ",
            user_columns!()
        ))
        .bind(UserId::generate().to_string())
        .bind(&new.email)
        .bind(&new.password_hash)
        .bind(new.role.as_str())
        .fetch_one(&mut *transaction)
        .await?;
        let user = decode::user(&row)?;
        delete_links(&mut transaction, user.id).await?;
        transaction.commit().await?;
        Ok(user)
    }

    pub(crate) async fn change_password(&self, user: &User, hash: &str) -> Result<Option<User>> {
        let mut transaction = self.begin().await?;
        let row = sqlx::query(concat!(
            "UPDATE users SET password_hash = ?, token_version = token_version + 1
              WHERE id = ? AND token_version = ? RETURNING ",
            user_columns!()
        ))
        .bind(hash)
        .bind(user.id.to_string())
        .bind(token_version(user))
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(row) = row else { return Ok(None) };
        delete_links(&mut transaction, user.id).await?;
        transaction.commit().await?;
        decode::user(&row).map(Some)
    }

    pub(crate) async fn renew_password_hash(&self, user: &User, hash: &str) -> Result<()> {
        sqlx::query("UPDATE users SET password_hash = ? WHERE id = ? AND password_hash = ?")
            .bind(hash)
            .bind(user.id.to_string())
            .bind(&user.password_hash)
            .execute(&self.write)
            .await?;
        Ok(())
    }

    pub(crate) async fn create_sign_in_link(
        &self,
        token_hash: &str,
        user: &User,
        lives: Duration,
    ) -> Result<bool> {
        let mut transaction = self.begin().await?;
        sqlx::query(concat!("DELETE FROM sign_in_links WHERE expires_at < ", now!()))
            .execute(&mut *transaction)
            .await?;
        let made = sqlx::query(concat!(
            "INSERT INTO sign_in_links (token_hash, user_id, expires_at) SELECT ?, id, ",
            now!(),
            " + ? FROM users WHERE id = ? AND token_version = ?"
        ))
        .bind(token_hash)
        .bind(millis(lives))
        .bind(user.id.to_string())
        .bind(token_version(user))
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(made.rows_affected() > 0)
    }

    pub(crate) async fn use_sign_in_link(&self, token_hash: &str) -> Result<Option<User>> {
        let mut transaction = self.begin().await?;
        let user: Option<String> = sqlx::query_scalar(concat!(
            "DELETE FROM sign_in_links WHERE token_hash = ? AND expires_at >= ",
            now!(),
            " RETURNING user_id"
        ))
        .bind(token_hash)
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(user) = user else { return Ok(None) };
        let row = sqlx::query(concat!("SELECT ", user_columns!(), " FROM users WHERE id = ?"))
            .bind(user)
            .fetch_optional(&mut *transaction)
            .await?;
        transaction.commit().await?;
        row.as_ref().map(decode::user).transpose()
    }
}

/// A link that a stolen session made would be the way back in.
async fn delete_links(connection: &mut SqliteConnection, user: UserId) -> Result<()> {
    sqlx::query("DELETE FROM sign_in_links WHERE user_id = ?")
        .bind(user.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

/// The token version that an account had when it was read, as the rows have it.
pub(super) fn token_version(user: &User) -> i64 {
    i64::try_from(user.token_version).unwrap_or(i64::MAX)
}

use std::time::Duration;

use reelfleet_job::UserId;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Postgres, decode, millis, whole};
use crate::{NewUser, Result, Topic, User, decode::user_columns};

impl Postgres {
    pub(crate) async fn create_user(&self, new: &NewUser) -> Result<User> {
        let row = sqlx::query(concat!(
            "INSERT INTO users (id, email, password_hash, role, created_at)
             VALUES ($1, $2, $3, $4, now_ms()) RETURNING ",
            user_columns!()
        ))
        .bind(Uuid::from(UserId::generate()))
        .bind(&new.email)
        .bind(&new.password_hash)
        .bind(new.role.as_str())
        .fetch_one(&self.pool)
        .await?;
        decode::user(&row)
    }

    pub(crate) async fn user_by_email(&self, email: &str) -> Result<Option<User>> {
        let row = sqlx::query(concat!(
            "SELECT ",
            user_columns!(),
            r#" FROM users WHERE lower(email COLLATE "C") = lower($1::text COLLATE "C")"#
        ))
        .bind(email)
        .fetch_optional(&self.pool)
        .await?;
        row.as_ref().map(decode::user).transpose()
    }

    pub(crate) async fn user(&self, id: UserId) -> Result<Option<User>> {
        let row = sqlx::query(concat!("SELECT ", user_columns!(), " FROM users WHERE id = $1"))
            .bind(Uuid::from(id))
            .fetch_optional(&self.pool)
            .await?;
        row.as_ref().map(decode::user).transpose()
    }

    pub(crate) async fn first_operator(&self) -> Result<Option<User>> {
        let row = sqlx::query(concat!(
            "SELECT ",
            user_columns!(),
            " FROM users WHERE role = 'operator' ORDER BY id LIMIT 1"
        ))
        .fetch_optional(&self.pool)
        .await?;
        row.as_ref().map(decode::user).transpose()
    }

    pub(crate) async fn take_over(&self, new: &NewUser) -> Result<User> {
        let mut transaction = self.begin().await?;
        let row = sqlx::query(concat!(
            r#"INSERT INTO users (id, email, password_hash, role, created_at)
               VALUES ($1, $2, $3, $4, now_ms())
               ON CONFLICT (lower(email COLLATE "C")) DO UPDATE
                  SET password_hash = excluded.password_hash, role = excluded.role,
                      token_version = users.token_version + 1
               RETURNING "#,
            user_columns!()
        ))
        .bind(Uuid::from(UserId::generate()))
        .bind(&new.email)
        .bind(&new.password_hash)
        .bind(new.role.as_str())
        .fetch_one(&mut *transaction)
        .await?;
        let user = decode::user(&row)?;
        delete_links(&mut transaction, user.id).await?;
        transaction.commit().await?;
        self.bell.ring(Topic::Changes);
        Ok(user)
    }

    pub(crate) async fn change_password(&self, user: &User, hash: &str) -> Result<Option<User>> {
        let mut transaction = self.begin().await?;
        let row = sqlx::query(concat!(
            "UPDATE users SET password_hash = $1, token_version = token_version + 1
              WHERE id = $2 AND token_version = $3 RETURNING ",
            user_columns!()
        ))
        .bind(hash)
        .bind(Uuid::from(user.id))
        .bind(whole(user.token_version))
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(row) = row else { return Ok(None) };
        delete_links(&mut transaction, user.id).await?;
        transaction.commit().await?;
        self.bell.ring(Topic::Changes);
        decode::user(&row).map(Some)
    }

    pub(crate) async fn renew_password_hash(&self, user: &User, hash: &str) -> Result<()> {
        sqlx::query("UPDATE users SET password_hash = $1 WHERE id = $2 AND password_hash = $3")
            .bind(hash)
            .bind(Uuid::from(user.id))
            .bind(&user.password_hash)
            .execute(&self.pool)
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
        // The row's lock lets a change of password that is under way decide first.
        let made = sqlx::query(
            "INSERT INTO sign_in_links (token_hash, user_id, expires_at)
             SELECT $1, id, now_ms() + $2 FROM users
              WHERE id = $3 AND token_version = $4 FOR UPDATE",
        )
        .bind(token_hash)
        .bind(millis(lives))
        .bind(Uuid::from(user.id))
        .bind(whole(user.token_version))
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "DELETE FROM sign_in_links WHERE token_hash IN
                (SELECT token_hash FROM sign_in_links WHERE expires_at < now_ms() FOR UPDATE SKIP LOCKED)",
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(made.rows_affected() > 0)
    }

    pub(crate) async fn use_sign_in_link(&self, token_hash: &str) -> Result<Option<User>> {
        let row = sqlx::query(concat!(
            "WITH used AS (DELETE FROM sign_in_links WHERE token_hash = $1 AND expires_at >= now_ms()
                           RETURNING user_id)
             SELECT ",
            user_columns!(),
            " FROM users JOIN used ON used.user_id = users.id"
        ))
        .bind(token_hash)
        .fetch_optional(&self.pool)
        .await?;
        row.as_ref().map(decode::user).transpose()
    }
}

/// A link that a stolen session made would be the way back in.
async fn delete_links(connection: &mut PgConnection, user: UserId) -> Result<()> {
    sqlx::query("DELETE FROM sign_in_links WHERE user_id = $1")
        .bind(Uuid::from(user))
        .execute(connection)
        .await?;
    Ok(())
}

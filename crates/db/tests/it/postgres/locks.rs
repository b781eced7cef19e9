//! What happens to one video at once, in whatever order: nothing waits in a circle.

use std::time::Duration;

use reelfleet_db::{Db, Video};
use reelfleet_job::{Reason, State, WorkerId};
use sqlx::{PgPool, PgTransaction};
use tokio::task::JoinHandle;

use super::{LONG, fresh, messages, pool, url};
use crate::suite;

async fn opened() -> (Db, PgPool) {
    let url = url();
    let db = Db::open(&url).await.unwrap();
    db.migrate().await.unwrap();
    (db, pool(&url).await)
}

/// Deletes a video, and has not committed yet.
pub(super) async fn delete_begun(pool: &PgPool, video: &Video) -> PgTransaction<'static> {
    let mut delete = pool.begin().await.unwrap();
    sqlx::query("UPDATE videos SET deleted_at = 1 WHERE job = $1")
        .bind(uuid::Uuid::from(video.job))
        .execute(&mut *delete)
        .await
        .unwrap();
    delete
}

/// Waits until the call waits for a lock.
pub(super) async fn stands_in_line<T>(pool: &PgPool, call: &JoinHandle<T>) {
    stand_in_line(pool, std::slice::from_ref(call)).await;
}

/// Waits until every one of these calls waits for a lock, all at the same time.
pub(super) async fn stand_in_line<T>(pool: &PgPool, calls: &[JoinHandle<T>]) {
    let in_line = async {
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'
                                      AND datname = current_database()";
        let many = i64::try_from(calls.len()).unwrap();
        while sqlx::query_scalar::<_, i64>(waiting).fetch_one(pool).await.unwrap() < many {
            assert!(!calls.iter().any(JoinHandle::is_finished), "it did not wait");
        }
    };
    tokio::time::timeout(LONG, in_line).await.unwrap();
}

/// B23: deleted while it finishes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_finish_waits_for_a_delete_before_it_locks_the_job() {
    let (db, pool) = opened().await;
    let video = suite::queued(&db).await;
    let (_, claimed) = suite::claim(&db, &video).await;
    let mut delete = delete_begun(&pool, &video).await;
    let finish = tokio::spawn({
        let (db, finished) = (db.clone(), suite::finished(&video));
        async move { db.close_done(claimed.id, claimed.epoch, &finished).await }
    });
    stands_in_line(&pool, &finish).await;
    // What a delete does next.
    sqlx::query("UPDATE jobs SET cancel_requested = TRUE WHERE id = $1")
        .bind(uuid::Uuid::from(video.job))
        .execute(&mut *delete)
        .await
        .expect("the job is not locked");
    delete.commit().await.unwrap();
    assert!(!finish.await.unwrap().unwrap(), "the delete was first");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redrive_sees_a_delete_that_is_under_way() {
    let (db, pool) = opened().await;
    let video = suite::queued(&db).await;
    let (_, claimed) = suite::claim(&db, &video).await;
    assert!(db.close_dead(video.job, claimed.epoch, &Reason::new("x", "y")).await.unwrap());
    let delete = delete_begun(&pool, &video).await;
    let redrive = tokio::spawn({
        let db = db.clone();
        async move { db.redrive(claimed.id, "ada").await }
    });
    stands_in_line(&pool, &redrive).await;
    delete.commit().await.unwrap();
    assert!(!redrive.await.unwrap().unwrap(), "the job of a deleted video was redriven");
    assert_eq!(db.job(video.job).await.unwrap().unwrap().state, State::Dead);
}

/// Closes a claim one way or the other, as a worker does.
async fn close(db: &Db, video: &Video, epoch: u64, well: bool) {
    let closed = if well {
        db.close_done(video.job, epoch, &suite::finished(video)).await.unwrap()
    } else {
        db.close_dead(video.job, epoch, &Reason::new("x", "y")).await.unwrap()
    };
    if !closed {
        db.close_cancelled(video.job, epoch).await.unwrap();
    }
}

/// Everything that can happen to a video, at once.
fn storm(db: &Db, video: &Video, epoch: Option<u64>, well: bool) -> Vec<JoinHandle<()>> {
    let job = video.job;
    let task = |deed: u8| {
        let (db, video) = (db.clone(), video.clone());
        tokio::spawn(async move {
            match (deed, epoch) {
                (0, _) => assert!(db.delete_video(video.owner, video.id).await.unwrap()),
                (1, Some(epoch)) => close(&db, &video, epoch, well).await,
                (1 | 2, _) => {
                    let claimed = db.claim(job, WorkerId::generate(), suite::LEASE).await.unwrap();
                    if let Some(claimed) = claimed {
                        close(&db, &video, claimed.epoch, !well).await;
                    }
                }
                (3, _) => _ = db.redrive(job, "ada").await.unwrap(),
                (4, _) => _ = db.cancel_job(job, "ada").await.unwrap(),
                (5, _) => _ = db.cancel_video(video.owner, video.id).await.unwrap(),
                (6, _) => _ = db.discard(job, "ada").await.unwrap(),
                _ => db.mark_buried(&[job]).await.unwrap(),
            }
        })
    };
    (0..8).map(task).collect()
}

/// B13: no deadlock; and B23: at every moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_to_a_video_at_once_it_ends_deleted_with_a_closed_job() {
    let ((), db) = fresh().await;
    let owner = suite::user(&db, "a@example.com").await;
    for wave in 0..12 {
        let mut tasks = Vec::new();
        let mut videos = Vec::new();
        for number in 0..9 {
            let video = suite::submit(&db, &suite::new_video(owner)).await;
            // Some wait, some run, some are dead.
            let mut epoch = None;
            if number % 3 > 0 {
                epoch = Some(suite::claim(&db, &video).await.1.epoch);
            }
            if let (2, Some(epoch)) = (number % 3, epoch) {
                close(&db, &video, epoch, false).await;
            }
            videos.push((video, epoch));
        }
        for (number, (video, epoch)) in videos.iter().enumerate() {
            tasks.extend(storm(&db, video, *epoch, (wave + number) % 2 == 0));
        }
        for task in tasks {
            task.await.unwrap();
        }
        for (video, _) in &videos {
            let job = db.job(video.job).await.unwrap().unwrap();
            assert!(job.state.is_closed(), "{job:?}");
        }
        let mut deleted = db.deleted_videos(100).await.unwrap();
        deleted.sort();
        let mut all: Vec<_> = videos.iter().map(|(video, _)| (video.id, video.job)).collect();
        all.sort();
        assert_eq!(deleted, all);
        // Two collectors at once, and a redrive that comes too late.
        let purges = all.iter().cycle().take(2 * all.len()).map(|&(video, job)| {
            let db = db.clone();
            tokio::spawn(async move {
                db.purge_video(video).await.unwrap();
                assert!(!db.redrive(job, "ada").await.unwrap());
            })
        });
        for purge in purges.collect::<Vec<_>>() {
            purge.await.unwrap();
        }
        for (_, job) in all {
            assert!(db.job(job).await.unwrap().is_none());
        }
    }
}

/// B13: no deadlock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_of_messages_that_are_sent_and_released_at_once_wait_in_no_circle() {
    let ((), db) = fresh().await;
    let batch = messages(20);
    // Sent one by one from the last to the first: rows are in another order than jobs.
    for message in batch.iter().rev() {
        db.send_messages(std::slice::from_ref(message)).await.unwrap();
    }
    let tasks = (0..4).map(|task| {
        let (db, batch) = (db.clone(), batch.clone());
        tokio::spawn(async move {
            for _ in 0..50 {
                if task % 2 == 0 {
                    db.send_messages(&batch).await.unwrap();
                    continue;
                }
                let hide = Duration::from_millis(5);
                let received = db.receive_messages(&[batch[0].lane], 20, hide).await.unwrap();
                let receipts: Vec<_> = received.iter().map(|message| message.receipt).collect();
                db.release_messages(&receipts).await.unwrap();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let depths = db.lane_depths().await.unwrap();
    assert_eq!(depths.iter().map(|lane| lane.ready + lane.in_flight).sum::<u64>(), 20);
}

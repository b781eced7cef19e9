use std::time::Duration;

use reelfleet_db::{Db, Error, NewUser, Role, Submitted, User, VideoFilter};
use reelfleet_job::{State, VideoStatus};

use super::{claim, finished, new_video, queued, submit, user};

const MINUTE: Duration = Duration::from_secs(60);

async fn account(db: &Db, email: &str) -> User {
    let id = user(db, email).await;
    db.user(id).await.unwrap().unwrap()
}

/// A3.
pub(crate) async fn a_repeated_upload_is_one_video(db: Db) {
    let owner = user(&db, "owner@example.com").await;
    let same = || {
        let mut new = new_video(owner);
        new.idempotency_key = Some("key".to_owned());
        new
    };
    let tries: Vec<_> = (0..20)
        .map(|_| {
            let (db, new) = (db.clone(), same());
            tokio::spawn(async move { db.submit_video(&new).await.unwrap() })
        })
        .collect();
    let mut new = 0;
    let mut ids = std::collections::HashSet::new();
    for submitted in tries {
        match submitted.await.unwrap() {
            Submitted::New(video) => {
                new += 1;
                ids.insert(video.id);
            }
            Submitted::Repeated(video) => _ = ids.insert(video.id),
            Submitted::KeyReused => panic!("the same upload"),
        }
    }
    assert_eq!((new, ids.len()), (1, 1));
    let mut other = same();
    other.fingerprint = "other".to_owned();
    assert!(matches!(db.submit_video(&other).await.unwrap(), Submitted::KeyReused));
    // Keys of different owners do not meet.
    let mut foreign = same();
    foreign.owner = user(&db, "other@example.com").await;
    assert!(matches!(db.submit_video(&foreign).await.unwrap(), Submitted::New(_)));
}

pub(crate) async fn another_owner_sees_nothing(db: Db) {
    let video = queued(&db).await;
    let (_, claimed) = claim(&db, &video).await;
    db.close_done(video.job, claimed.epoch, &finished(&video)).await.unwrap();
    let other = user(&db, "other@example.com").await;
    assert!(db.video(other, video.id).await.unwrap().is_none());
    assert!(db.file(other, video.id, "video.mp4").await.unwrap().is_none());
    assert!(db.cancel_video(other, video.id).await.unwrap().is_none());
    assert!(!db.delete_video(other, video.id).await.unwrap());
    let all = VideoFilter { limit: 10, ..VideoFilter::default() };
    assert!(db.videos(other, &all).await.unwrap().rows.is_empty());
    assert!(db.file(video.owner, video.id, "video.mp4").await.unwrap().is_some());
}

pub(crate) async fn a_deleted_video_is_gone_and_its_blobs_can_be_collected(db: Db) {
    let video = queued(&db).await;
    let (_, claimed) = claim(&db, &video).await;
    assert!(db.delete_video(video.owner, video.id).await.unwrap());
    assert!(!db.delete_video(video.owner, video.id).await.unwrap());
    assert!(db.video(video.owner, video.id).await.unwrap().is_none());
    // A worker still has it: its files may still appear.
    assert!(db.deleted_videos(10).await.unwrap().is_empty());
    assert!(db.close_cancelled(video.job, claimed.epoch).await.unwrap());
    assert_eq!(db.deleted_videos(10).await.unwrap(), [(video.id, video.job)]);
    assert!(db.video_exists(video.id).await.unwrap());
    db.purge_video(video.id).await.unwrap();
    assert!(!db.video_exists(video.id).await.unwrap());
    assert!(db.job(video.job).await.unwrap().is_none());
}

pub(crate) async fn pages_cover_every_video_once(db: Db) {
    let owner = user(&db, "owner@example.com").await;
    let mut made = Vec::new();
    for _ in 0..7 {
        made.push(submit(&db, &new_video(owner)).await.id);
    }
    let cancelled = made[3];
    db.cancel_video(owner, cancelled).await.unwrap();
    made.reverse();
    let mut seen = Vec::new();
    let mut filter = VideoFilter { limit: 3, ..VideoFilter::default() };
    loop {
        let page = db.videos(owner, &filter).await.unwrap();
        seen.extend(page.rows.iter().map(|video| video.id));
        if !page.more {
            break;
        }
        filter.before = seen.last().copied();
    }
    assert_eq!(seen, made);
    let filter = VideoFilter { status: Some(VideoStatus::Cancelled), limit: 9, before: None };
    let only = db.videos(owner, &filter).await.unwrap().rows;
    assert_eq!(only.iter().map(|video| video.id).collect::<Vec<_>>(), [cancelled]);
    assert_eq!(db.unfinished_videos(owner).await.unwrap(), 6);
    assert_eq!(db.job(only[0].job).await.unwrap().unwrap().state, State::Cancelled);
}

pub(crate) async fn a_sign_in_link_works_once(db: Db) {
    let owner = account(&db, "owner@example.com").await;
    assert!(db.create_sign_in_link("hash", &owner, MINUTE).await.unwrap());
    assert!(db.use_sign_in_link("other").await.unwrap().is_none());
    assert_eq!(db.use_sign_in_link("hash").await.unwrap().unwrap().id, owner.id);
    assert!(db.use_sign_in_link("hash").await.unwrap().is_none());
}

pub(crate) async fn an_address_is_taken_whatever_its_case(db: Db) {
    let id = user(&db, "Owner@example.com").await;
    let twin = NewUser {
        email: "owner@EXAMPLE.com".to_owned(),
        password_hash: String::new(),
        role: Role::Operator,
    };
    assert!(matches!(db.create_user(&twin).await, Err(Error::Taken)));
    assert!(db.first_operator().await.unwrap().is_none());
    assert_eq!(db.user_by_email("OWNER@example.com").await.unwrap().unwrap().id, id);
}

pub(crate) async fn another_password_voids_tokens_and_links_and_a_renewed_hash_does_not(db: Db) {
    let before = account(&db, "owner@example.com").await;
    let other = account(&db, "other@example.com").await;
    for (hash, user) in [("of one", &before), ("of another", &other)] {
        assert!(db.create_sign_in_link(hash, user, MINUTE).await.unwrap());
    }
    db.renew_password_hash(&before, "same password").await.unwrap();
    assert_eq!(db.user(before.id).await.unwrap().unwrap().token_version, 0);

    let changed = db.change_password(&before, "another password").await.unwrap().unwrap();
    assert_eq!((changed.password_hash.as_str(), changed.token_version), ("another password", 1));
    // A login that began before the change must not write the old password back.
    db.renew_password_hash(&before, "old password").await.unwrap();
    assert_eq!(db.user(before.id).await.unwrap().unwrap().password_hash, "another password");
    assert_eq!(db.user(before.id).await.unwrap().unwrap().token_version, 1);
    assert!(db.use_sign_in_link("of one").await.unwrap().is_none());
    assert_eq!(db.use_sign_in_link("of another").await.unwrap().unwrap().token_version, 0);
}

pub(crate) async fn who_signed_in_before_another_password_changes_makes_and_sees_nothing(db: Db) {
    let video = queued(&db).await;
    let before = db.user(video.owner).await.unwrap().unwrap();
    assert!(db.video_in_session(&before, video.id).await.unwrap().is_some());
    let now = db.change_password(&before, "another password").await.unwrap().unwrap();
    assert!(db.create_sign_in_link("of the owner", &now, MINUTE).await.unwrap());

    assert!(db.change_password(&before, "the thief's").await.unwrap().is_none());
    assert!(!db.create_sign_in_link("of the thief", &before, MINUTE).await.unwrap());
    assert!(db.use_sign_in_link("of the thief").await.unwrap().is_none());
    assert!(db.video_in_session(&before, video.id).await.unwrap().is_none());

    let stored = db.user(before.id).await.unwrap().unwrap();
    assert_eq!((stored.password_hash.as_str(), stored.token_version), ("another password", 1));
    assert!(db.use_sign_in_link("of the owner").await.unwrap().is_some());
    assert_eq!(db.video_in_session(&now, video.id).await.unwrap().unwrap().id, video.id);
    let other = account(&db, "other@example.com").await;
    assert!(db.video_in_session(&other, video.id).await.unwrap().is_none());
}

pub(crate) async fn an_account_is_taken_over_with_everything_that_opened_it(db: Db) {
    let new = |email: &str, password_hash: &str, role| NewUser {
        email: email.to_owned(),
        password_hash: password_hash.to_owned(),
        role,
    };
    let made = db.take_over(&new("ada@example.com", "of ada", Role::User)).await.unwrap();
    assert_eq!((made.role, made.password_hash.as_str()), (Role::User, "of ada"));

    let squatter = account(&db, "owner@example.com").await;
    assert!(db.create_sign_in_link("of the squatter", &squatter, MINUTE).await.unwrap());
    let owner = new("OWNER@example.com", "of the owner", Role::Operator);
    let owner = db.take_over(&owner).await.unwrap();
    assert_eq!((owner.id, owner.role), (squatter.id, Role::Operator));
    assert_eq!((owner.password_hash.as_str(), owner.token_version), ("of the owner", 1));
    assert!(db.use_sign_in_link("of the squatter").await.unwrap().is_none());
    assert!(db.change_password(&squatter, "back again").await.unwrap().is_none());
    db.renew_password_hash(&squatter, "back again").await.unwrap();
    let stored = db.user(owner.id).await.unwrap().unwrap();
    assert_eq!(stored.password_hash, "of the owner");
    assert_eq!(db.first_operator().await.unwrap().unwrap().id, owner.id);
    assert_eq!(db.user(made.id).await.unwrap().unwrap().token_version, 0);
}

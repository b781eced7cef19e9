use std::time::Duration;

use reelfleet_db::Db;
use uuid::Uuid;

use super::LEASE;

/// B18.
pub(crate) async fn of_many_who_offer_one_has_the_duty(db: Db) {
    let offers = (0..16).map(|_| {
        let db = db.clone();
        tokio::spawn(async move { db.take_duty("relay", Uuid::now_v7(), LEASE).await.unwrap() })
    });
    let mut won = Vec::new();
    for offer in offers.collect::<Vec<_>>() {
        won.extend(offer.await.unwrap());
    }
    assert_eq!(won, [1]);
    assert_eq!(db.take_duty("another", Uuid::now_v7(), LEASE).await.unwrap(), Some(1));
}

/// B18: one takes over from another.
pub(crate) async fn a_duty_is_kept_left_and_taken_over_with_the_next_epoch(db: Db) {
    let (first, second) = (Uuid::now_v7(), Uuid::now_v7());
    assert_eq!(db.take_duty("relay", first, LEASE).await.unwrap(), Some(1));
    assert_eq!(db.take_duty("relay", first, LEASE).await.unwrap(), Some(1), "kept");
    assert_eq!(db.take_duty("relay", second, LEASE).await.unwrap(), None);
    db.leave_duty("relay", second).await.unwrap();
    assert_eq!(db.take_duty("relay", second, LEASE).await.unwrap(), None, "not its to leave");
    db.leave_duty("relay", first).await.unwrap();
    assert_eq!(db.take_duty("relay", second, Duration::ZERO).await.unwrap(), Some(2));
    // Its lease has run out, though it never left.
    assert_eq!(db.take_duty("relay", first, LEASE).await.unwrap(), Some(3));
}

/// B18 and C9: several publishers, and a period that is published once.
pub(crate) async fn a_period_is_taken_once_by_whoever_asks_first(db: Db) {
    let long = LEASE * 1_000;
    let asks = (0..16).map(|_| {
        let db = db.clone();
        tokio::spawn(async move { db.take_turn("publish", long).await.unwrap() })
    });
    let mut taken = Vec::new();
    for ask in asks.collect::<Vec<_>>() {
        taken.extend(ask.await.unwrap());
    }
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].as_millis() % i64::try_from(long.as_millis()).unwrap(), 0);
    assert_eq!(db.take_turn("publish", long).await.unwrap(), None);

    let mut taken = Vec::new();
    let period = Duration::from_millis(20);
    while taken.len() < 5 {
        taken.extend(db.take_turn("another", period).await.unwrap());
    }
    assert!(taken.windows(2).all(|two| two[1].since(two[0]) >= period), "{taken:?}");
}

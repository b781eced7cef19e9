use reelfleet_db::Db;

pub(crate) async fn a_fleet_has_one_id_however_many_ask_first(db: Db) {
    let asks = (0..16).map(|_| {
        let db = db.clone();
        tokio::spawn(async move { db.fleet().await.unwrap() })
    });
    let mut ids = Vec::new();
    for ask in asks.collect::<Vec<_>>() {
        ids.push(ask.await.unwrap());
    }
    ids.dedup();
    assert_eq!(ids, [db.fleet().await.unwrap()]);
}

//! Lifecycles that are completed too early. Whatever goes wrong here panics.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use crate::{
    stage::{Stage, in_hand},
    worker::Worker,
};

/// Looks what each worker still has in hand at the moment in which it says that its instance may go.
#[derive(Debug)]
pub struct Early {
    /// Worker and process by instance.
    running: Arc<Mutex<HashMap<String, (String, i32)>>>,
    found: Arc<Mutex<Vec<String>>>,
}

impl Early {
    /// From now on, for every instance of the stage's group.
    pub fn watch(stage: &Stage) -> Self {
        let early = Self { running: Arc::default(), found: Arc::default() };
        stage.group.when_completed({
            let (running, found) = (Arc::clone(&early.running), Arc::clone(&early.found));
            let client = stage.client.clone();
            move |instance| {
                let (worker, pid) = running.lock().unwrap()[instance].clone();
                let held = in_hand(&client, &worker, pid);
                if !held.is_empty() {
                    found.lock().unwrap().push(format!("{instance}: {held:?}"));
                }
            }
        });
        early
    }

    /// This one runs on its instance now.
    pub fn started(&self, worker: &Worker) {
        let who = (worker.id.clone(), worker.pid());
        self.running.lock().unwrap().insert(worker.instance.clone(), who);
    }

    /// Instances that were let go while something was in hand, with what that was.
    pub fn found(&self) -> Vec<String> {
        self.found.lock().unwrap().clone()
    }
}

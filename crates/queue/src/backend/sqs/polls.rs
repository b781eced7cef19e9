//! Long polls: one request a lane, under way beside the receives that wait for them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{mpsc, watch};

use super::{
    held::Held,
    queues::{At, Queues, Raw, TEN},
};
use crate::Error;

type Answer = Result<Held, Error>;

/// The polls that are under way, and the receives that wait.
#[derive(Debug)]
pub(super) struct Polls {
    pub(super) queues: Queues,
    pub(super) hide_secs: i32,
    /// The longest poll in whole seconds, which is all that SQS knows.
    poll_secs: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last_id: u64,
    waiters: Vec<Waiter>,
    polls: HashMap<u64, Poll>,
    /// How many requests the next look at a lane begins with; one if it is not here.
    widths: HashMap<At, usize>,
    /// Whether the last receive brought something, so that there is probably more.
    busy: bool,
}

#[derive(Debug)]
struct Waiter {
    id: u64,
    lanes: Vec<At>,
    answers: mpsc::UnboundedSender<Answer>,
    /// It has an answer already; others that wait go before it.
    served: bool,
}

#[derive(Debug)]
struct Poll {
    lane: At,
    /// SQS has answered: nothing more comes by it, but what came may be on its way back.
    answered: bool,
    /// Closed when it is over.
    ended: watch::Receiver<()>,
}

/// A receive that waits. When it is dropped it waits no more, and what it did not take goes back.
#[derive(Debug)]
pub(super) struct Waiting {
    polls: Arc<Polls>,
    id: u64,
    pub(super) answers: mpsc::UnboundedReceiver<Answer>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.polls.state().waiters.retain(|waiter| waiter.id != self.id);
    }
}

impl Polls {
    pub(super) fn new(queues: Queues, hide_secs: i32, poll_secs: u64) -> Self {
        let state = Mutex::new(State { busy: true, ..State::default() });
        Self { queues, hide_secs, poll_secs, state }
    }

    pub(super) fn longest_poll(&self) -> Duration {
        Duration::from_secs(self.poll_secs)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn width(&self, lane: At) -> usize {
        self.state().widths.get(&lane).copied().unwrap_or(1)
    }

    pub(super) fn set_width(&self, lane: At, width: usize) {
        self.state().widths.insert(lane, width);
    }

    pub(super) fn is_busy(&self) -> bool {
        self.state().busy
    }

    pub(super) fn set_busy(&self, busy: bool) {
        self.state().busy = busy;
    }

    /// From here on, what polls of these lanes bring may come to this receive.
    pub(super) fn wait(self: &Arc<Self>, lanes: &[At]) -> Waiting {
        let (sender, answers) = mpsc::unbounded_channel();
        let mut state = self.state();
        state.last_id += 1;
        let id = state.last_id;
        let lanes = lanes.to_vec();
        state.waiters.push(Waiter { id, lanes, answers: sender, served: false });
        Waiting { polls: Arc::clone(self), id, answers }
    }

    /// Sees to it that each lane has as many polls under way as receives wait for it.
    pub(super) fn begin(self: &Arc<Self>, lanes: &[At], limit: usize, left: Duration) {
        let wait_secs = (left.as_millis().div_ceil(1000)).clamp(1, u128::from(self.poll_secs));
        let wait_secs = i32::try_from(wait_secs).unwrap_or(1);
        let mut state = self.state();
        state.polls.retain(|_, poll| poll.ended.has_changed().is_ok());
        for lane in lanes.iter().copied() {
            let waiting = state.waiters.iter().filter(|waiter| waiter.lanes.contains(&lane));
            let polls = state.polls.values().filter(|poll| poll.lane == lane && !poll.answered);
            if polls.count() >= waiting.count() {
                continue;
            }
            state.last_id += 1;
            let id = state.last_id;
            let (alive, ended) = watch::channel(());
            state.polls.insert(id, Poll { lane, answered: false, ended });
            let polls = Arc::clone(self);
            // In a task of its own: a receive that ends does not cut it short.
            tokio::spawn(async move {
                let max = limit.min(TEN);
                let answer = polls.queues.receive(lane, max, wait_secs, polls.hide_secs).await;
                polls.answered(id, lane, answer).await;
                drop(alive);
            });
        }
    }

    /// Hands an answer to a receive that waits for it. Where there is none, messages go back at once.
    async fn answered(&self, id: u64, lane: At, answer: Result<Vec<Raw>, Error>) {
        let answer = answer.map(|messages| Held::new(&self.queues, messages));
        match self.hand_over(id, lane, answer) {
            None => {}
            Some(Ok(held)) => held.release().await,
            Some(Err(error)) => tracing::debug!(%error, "a poll that nobody waits for has failed"),
        }
    }

    /// The answer again, if nobody waits for it.
    fn hand_over(&self, id: u64, lane: At, mut answer: Answer) -> Option<Answer> {
        let mut state = self.state();
        if let Some(poll) = state.polls.get_mut(&id) {
            poll.answered = true;
        }
        let mut waiters: Vec<_> =
            state.waiters.iter_mut().filter(|waiter| waiter.lanes.contains(&lane)).collect();
        if answer.as_ref().is_ok_and(Held::is_empty) {
            // Each of them sees for itself whether the lane needs another poll.
            for waiter in waiters {
                let _ = waiter.answers.send(Ok(Held::new(&self.queues, Vec::new())));
            }
            return None;
        }
        // Those first that have nothing yet.
        waiters.sort_by_key(|waiter| waiter.served);
        for waiter in waiters {
            match waiter.answers.send(answer) {
                Ok(()) => {
                    waiter.served = true;
                    return None;
                }
                Err(mpsc::error::SendError(back)) => answer = back,
            }
        }
        Some(answer)
    }

    /// Returns when every poll of these lanes that is under way now is over.
    pub(super) async fn ended(&self, lanes: &[At]) {
        let polls: Vec<_> = {
            let state = self.state();
            let polls = state.polls.values().filter(|poll| lanes.contains(&poll.lane));
            polls.map(|poll| poll.ended.clone()).collect()
        };
        for mut ended in polls {
            while ended.changed().await.is_ok() {}
        }
    }

    #[cfg(test)]
    pub(super) fn under_way(&self) -> usize {
        let state = self.state();
        state.polls.values().filter(|poll| poll.ended.has_changed().is_ok()).count()
    }
}

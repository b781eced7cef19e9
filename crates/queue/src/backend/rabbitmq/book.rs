use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tokio::time::Instant;

use super::queues::Queue;

/// The messages of one channel that are in somebody's hand, by tag. The server gives each
/// delivery the next number, and closes the channel when one is named that it does not wait for.
#[derive(Default)]
pub(super) struct Book {
    held: BTreeMap<u64, Held>,
    /// Every delivery up to this one has been taken.
    through: u64,
    /// Those beyond that have been taken.
    ahead: BTreeSet<u64>,
}

struct Held {
    queue: Queue,
    since: Instant,
}

/// Settles one message, or all up to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) tag: u64,
    pub(super) multiple: bool,
}

impl Book {
    pub(super) fn take(&mut self, tag: u64, queue: Queue) {
        self.held.insert(tag, Held { queue, since: Instant::now() });
        self.ahead.insert(tag);
        while self.ahead.remove(&(self.through + 1)) {
            self.through += 1;
        }
    }

    /// Strikes out those of the messages that are still held; how the server hears of it.
    pub(super) fn settle(&mut self, tags: &[u64]) -> Vec<Frame> {
        let mut tags: Vec<u64> =
            tags.iter().copied().filter(|tag| self.held.contains_key(tag)).collect();
        tags.sort_unstable();
        tags.dedup();
        // Mostly they are the oldest of the channel, and one frame settles them all. Not when
        // the server may have delivered one in between that nobody has taken yet.
        let oldest = tags.iter().zip(self.held.keys());
        let oldest = oldest.take_while(|(tag, held)| tag == held && **tag <= self.through).count();
        let upto = oldest.checked_sub(1).and_then(|last| tags.get(last)).copied();
        for tag in &tags {
            self.held.remove(tag);
        }
        let each = tags.into_iter().skip(oldest).map(|tag| Frame { tag, multiple: false });
        upto.map(|tag| Frame { tag, multiple: true }).into_iter().chain(each).collect()
    }

    /// How many of a queue are held.
    pub(super) fn count(&self, queue: Queue) -> usize {
        self.held.values().filter(|held| held.queue == queue).count()
    }

    /// The queue of each of the messages that is still held.
    pub(super) fn queues(&self, tags: &[u64]) -> Vec<Queue> {
        tags.iter().filter_map(|tag| self.held.get(tag)).map(|held| held.queue).collect()
    }

    /// Messages that have been held for longer.
    pub(super) fn older_than(&self, age: Duration) -> Vec<u64> {
        let held = self.held.iter();
        held.filter(|(_, held)| held.since.elapsed() >= age).map(|(tag, _)| *tag).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book(tags: &[u64]) -> Book {
        let mut book = Book::default();
        for tag in tags {
            book.take(*tag, Queue::Dead);
        }
        book
    }

    fn one(tag: u64) -> Frame {
        Frame { tag, multiple: false }
    }

    fn upto(tag: u64) -> Frame {
        Frame { tag, multiple: true }
    }

    #[test]
    fn the_oldest_go_in_one_frame_and_the_others_in_one_each() {
        for (taken, settled, frames) in [
            (&[1, 2, 3][..], &[1, 2, 3][..], &[upto(3)][..]),
            (&[3, 1, 2], &[2, 1], &[upto(2)]),
            (&[1, 2, 3], &[2, 3], &[one(2), one(3)]),
            (&[1, 2, 3, 4], &[1, 2, 4], &[upto(2), one(4)]),
            (&[1, 2], &[], &[]),
        ] {
            assert_eq!(book(taken).settle(settled), frames, "{taken:?} {settled:?}");
        }
    }

    #[test]
    fn one_that_nobody_has_taken_yet_is_not_settled_with_the_others() {
        let mut book = book(&[1, 3]);
        assert_eq!(book.settle(&[1, 3]), [upto(1), one(3)]);
        book.take(2, Queue::Dead);
        book.take(4, Queue::Dead);
        assert_eq!(book.settle(&[2, 4]), [upto(4)]);
    }

    #[test]
    fn a_message_is_settled_once() {
        let mut book = book(&[1, 2]);
        assert_eq!(book.settle(&[1, 1]), [upto(1)]);
        assert_eq!(book.settle(&[1, 7]), []);
        assert_eq!(book.count(Queue::Dead), 1);
    }
}

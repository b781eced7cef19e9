use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use reelfleet_job::UserId;

/// Counts what each user holds open, and refuses past a limit.
#[derive(Clone)]
pub(crate) struct PerUser {
    held: Arc<Mutex<HashMap<UserId, u32>>>,
    most: u32,
}

/// One held place. Dropping it frees it.
pub(crate) struct Place {
    user: UserId,
    held: Arc<Mutex<HashMap<UserId, u32>>>,
}

impl PerUser {
    pub(crate) fn new(most: u32) -> Self {
        Self { held: Arc::default(), most }
    }

    /// Takes a place, and says how many the user holds with it. None past the limit.
    pub(crate) fn take(&self, user: UserId) -> Option<(Place, u32)> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.entry(user).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some((Place { user, held: Arc::clone(&self.held) }, *count))
    }

    /// How many places all users hold together.
    pub(crate) fn total(&self) -> u32 {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(&self.user) {
            *count -= 1;
            // Only users who hold something take up memory.
            if *count == 0 {
                held.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_refused_past_the_limit_until_a_place_is_free() {
        let places = PerUser::new(2);
        let (ann, bob) = (UserId::generate(), UserId::generate());
        let first = places.take(ann).unwrap();
        let second = places.take(ann).unwrap();
        assert_eq!((first.1, second.1), (1, 2));
        assert!(places.take(ann).is_none());
        assert!(places.take(bob).is_some());
        drop(first);
        assert!(places.take(ann).is_some());
        drop(second);
        assert_eq!(places.total(), 0);
        assert!(places.held.lock().unwrap().is_empty());
    }
}

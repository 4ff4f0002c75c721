//! What waits for a hashing worker. Client addresses take turns, each with what it sent in its order: whoever sends a
//! thousand passwords waits for all of them, and nobody else for more than one.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Whose something is: a client's network; None is the service's own.
pub(super) type Whose = Option<IpAddr>;

/// What a worker finds.
pub(super) enum Found<T> {
    Next(T),
    /// Nothing came for as long as it waited.
    Nothing,
    /// And nothing will.
    Closed,
}

struct Waiting<T> {
    lanes: HashMap<Whose, VecDeque<T>>,
    /// Whose turn it is, next first; each lane that is not empty once.
    turns: VecDeque<Whose>,
    count: usize,
    closed: bool,
}

pub(super) struct Queue<T> {
    waiting: Mutex<Waiting<T>>,
    came: Condvar,
    places: usize,
}

impl<T> Queue<T> {
    pub fn new(places: usize) -> Self {
        let waiting = Waiting { lanes: HashMap::new(), turns: VecDeque::new(), count: 0, closed: false };
        Self { waiting: Mutex::new(waiting), came: Condvar::new(), places }
    }

    /// Takes a place. Where there is none, whoever has the most gives up the last of theirs, which is returned; or this itself
    /// is, where nobody has more.
    pub fn push(&self, whose: Whose, one: T) -> Option<T> {
        let mut waiting = self.waiting();
        let mut displaced = None;
        if waiting.count >= self.places {
            let own = waiting.lanes.get(&whose).map_or(0, VecDeque::len);
            let most = waiting.lanes.iter().max_by_key(|(_, lane)| lane.len()).map(|(most, lane)| (*most, lane.len()));
            let Some((most, _)) = most.filter(|(_, length)| *length > own + 1) else { return Some(one) };
            displaced = waiting.lanes.get_mut(&most).and_then(VecDeque::pop_back);
            waiting.count -= 1;
        }
        let lane = waiting.lanes.entry(whose).or_default();
        let is_new = lane.is_empty();
        lane.push_back(one);
        waiting.count += 1;
        if is_new {
            waiting.turns.push_back(whose);
        }
        drop(waiting);
        self.came.notify_one();
        displaced
    }

    /// The next one, waiting this long for it.
    pub fn pop(&self, patience: Duration) -> Found<T> {
        let waiting = self.waiting();
        let until = self.came.wait_timeout_while(waiting, patience, |waiting| waiting.count == 0 && !waiting.closed);
        let mut waiting = until.unwrap_or_else(PoisonError::into_inner).0;
        while let Some(whose) = waiting.turns.pop_front() {
            let Some(lane) = waiting.lanes.get_mut(&whose) else { continue };
            let next = lane.pop_front();
            if lane.is_empty() {
                waiting.lanes.remove(&whose);
            } else {
                waiting.turns.push_back(whose);
            }
            if let Some(next) = next {
                waiting.count -= 1;
                return Found::Next(next);
            }
        }
        if waiting.closed { Found::Closed } else { Found::Nothing }
    }

    /// Nothing more will come.
    pub fn close(&self) {
        self.waiting().closed = true;
        self.came.notify_all();
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting<T>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn all(queue: &Queue<&'static str>) -> Vec<&'static str> {
        std::iter::from_fn(|| match queue.pop(Duration::ZERO) {
            Found::Next(next) => Some(next),
            Found::Nothing | Found::Closed => None,
        })
        .collect()
    }

    #[test]
    fn addresses_take_turns() {
        let queue = Queue::new(100);
        for (last, one) in [(1, "a1"), (1, "a2"), (1, "a3"), (2, "b1"), (3, "c1"), (2, "b2")] {
            assert!(queue.push(Some(address(last)), one).is_none());
        }
        assert_eq!(all(&queue), ["a1", "b1", "c1", "a2", "b2", "a3"]);
        queue.push(Some(address(1)), "a4");
        queue.push(None, "own");
        assert_eq!(all(&queue), ["a4", "own"]);
    }

    #[test]
    fn who_has_the_most_makes_room() {
        let queue = Queue::new(4);
        for one in ["a1", "a2", "a3", "a4"] {
            assert!(queue.push(Some(address(1)), one).is_none());
        }
        assert_eq!(queue.push(Some(address(1)), "a5"), Some("a5"), "of one's own there is no more");
        assert_eq!(queue.push(Some(address(2)), "b1"), Some("a4"));
        assert_eq!(queue.push(Some(address(2)), "b2"), Some("a3"));
        assert_eq!(queue.push(Some(address(2)), "b3"), Some("b3"), "as many as the other has");
        let displaced = queue.push(Some(address(3)), "c1");
        assert!(displaced == Some("a2") || displaced == Some("b2"), "{displaced:?}: both have two");
    }

    #[test]
    fn a_closed_queue_ends_its_workers() {
        let queue = Queue::<&str>::new(4);
        assert!(matches!(queue.pop(Duration::ZERO), Found::Nothing));
        queue.push(None, "last");
        queue.close();
        assert!(matches!(queue.pop(Duration::from_mins(1)), Found::Next("last")));
        assert!(matches!(queue.pop(Duration::from_mins(1)), Found::Closed));
    }
}

//! How many connections there may be, in all and from one address.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::IpAddr,
    sync::Arc,
};

use parking_lot::Mutex;

/// Counts connections.
#[derive(Debug)]
pub struct Admissions {
    most: usize,
    most_per_address: usize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// One connection's place, free again when dropped.
#[derive(Debug)]
pub struct Permit {
    admissions: Arc<Admissions>,
    address: Option<IpAddr>,
}

impl Admissions {
    /// At most `most` connections, `most_per_address` of them from one address.
    #[must_use]
    pub fn new(most: usize, most_per_address: usize) -> Self {
        Self { most, most_per_address, open: Mutex::default() }
    }

    /// A place for a connection, if there is one.
    #[must_use]
    pub fn enter(self: &Arc<Self>, address: Option<IpAddr>) -> Option<Permit> {
        let mut open = self.open.lock();
        if open.total >= self.most {
            return None;
        }
        if let Some(address) = address {
            let from_there = open.by_address.entry(address).or_default();
            if *from_there >= self.most_per_address {
                return None;
            }
            *from_there += 1;
        }
        open.total += 1;
        Some(Permit { admissions: Arc::clone(self), address })
    }

    /// Connections now.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.lock().total
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self.admissions.open.lock();
        open.total = open.total.saturating_sub(1);
        if let Some(Entry::Occupied(mut count)) = self.address.map(|a| open.by_address.entry(a)) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
    use super::*;

    #[test]
    fn places_are_bounded_and_come_back() {
        let admissions = Arc::new(Admissions::new(3, 2));
        let address = |n: u8| Some(IpAddr::from([10, 0, 0, n]));
        let first = admissions.enter(address(1)).unwrap();
        let _second = admissions.enter(address(1)).unwrap();
        assert!(admissions.enter(address(1)).is_none());
        let _third = admissions.enter(address(2)).unwrap();
        assert!(admissions.enter(address(3)).is_none());
        drop(first);
        assert_eq!(admissions.open(), 2);
        drop(admissions.enter(address(1)).unwrap());
        assert_eq!(admissions.open.lock().by_address.len(), 2);
    }
}

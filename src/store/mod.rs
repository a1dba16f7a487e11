//! The port to the database (being written).

/// Proof that what it holds is on disk. Only a store can make one, and only after its commit.
#[derive(Clone, Debug, PartialEq)]
pub struct Committed<T>(T);

impl<T> Committed<T> {
    pub fn get(&self) -> &T {
        &self.0
    }
}

//! What can happen to a simulated world from outside its workers.

use renewd::gateway::simulator::{Reply, Ticket};
use tokio::sync::oneshot;

/// A charge request on its way: it arrives whether or not its sender is still alive.
pub struct Request {
    pub payment_id: String,
    pub idempotency_key: String,
    pub body: Vec<u8>,
    pub answer: oneshot::Sender<Reply>,
}

pub enum Happening {
    /// A charge request reaches the gateway.
    Arrives(Request),
    /// The payment gateway behind it has decided.
    Approves(Box<Ticket>, oneshot::Sender<Reply>),
    /// The answer reaches whoever still waits for it.
    Answers(Reply, oneshot::Sender<Reply>),
    /// SIGKILL.
    Kill(usize),
    Start(usize),
    /// The API service does something.
    Business(Business),
    /// The database's server is away until [`Happening::DatabaseBack`].
    DatabaseAway,
    DatabaseBack,
    /// A copy of the database is taken, and kept under this name …
    Copy(&'static str),
    /// … and put back.
    Restore(&'static str),
    /// Nobody answers at the gateway, or again.
    GatewayAway(bool),
    /// Operations look after what waits for them.
    Operations,
    /// All faults are over.
    Calm,
    Midnight,
}

/// What the API service does to a subscription, by its number.
#[derive(Clone, Copy, Debug)]
pub enum Business {
    Cancel(usize),
    ChangeOfMind(usize),
    NewCard(usize),
    ChangePlan(usize),
    Price,
}

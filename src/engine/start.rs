//! Starting a run for somebody who does not wait for its end, and who may ask twice.

use super::report::RunReport;
use super::run::{Run, RunRequest};
use super::{Engine, RunError};
use crate::domain::date::Zone;
use crate::domain::ids::RunId;
use crate::shutdown::Shutdown;
use crate::store::search::{ClientKey, KeyedRun};
use crate::store::{Store, StoreError};
use chrono::NaiveDate;
use uuid::Uuid;

/// What asking for a run led to.
pub enum Started {
    /// Its row is there: whoever has this does it.
    Opened(Opened),
    /// It was asked for before, and somebody does it, or did.
    Before(RunId),
}

/// A run that is open and not done yet.
pub struct Opened(Box<Run>);

impl Opened {
    pub fn id(&self) -> RunId {
        self.0.id
    }
}

/// Why no run was started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Under this key something else was asked for.
    #[error("run {0} was started under this key, and by another request")]
    OtherRequest(RunId),
    #[error(transparent)]
    TooEarly(#[from] TooEarly),
    #[error(transparent)]
    Run(#[from] RunError),
}

impl From<StoreError> for StartError {
    fn from(error: StoreError) -> Self {
        Self::Run(error.into())
    }
}

/// Nothing is charged early: a later date can only be previewed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{date} is after today, {today}, in {zone}")]
pub struct TooEarly {
    pub date: NaiveDate,
    today: NaiveDate,
    zone: &'static str,
}

/// Whether a run may be asked for on this date.
///
/// # Errors
/// [`StartError::TooEarly`]; [`StartError::Run`] where the database does not say what day it is.
pub async fn refuse_future(store: &dyn Store, zone: Zone, date: Option<NaiveDate>) -> Result<(), StartError> {
    let today = zone.date_of(store.now().await?);
    match date.filter(|date| *date > today) {
        Some(date) => Err(TooEarly { date, today, zone: zone.name() }.into()),
        None => Ok(()),
    }
}

impl Engine {
    /// The run that was started under this key before.
    ///
    /// # Errors
    /// [`StartError::OtherRequest`], and [`StartError::Run`] where the database does not answer.
    pub async fn started_before(&self, key: &ClientKey) -> Result<Option<RunId>, StartError> {
        self.store.run_of_key(&key.key).await?.map(|before| same(&before, key)).transpose()
    }

    /// Opens a run, unless one was opened under the same key, by this process or another. What is opened must be handed to
    /// [`Engine::finish`].
    ///
    /// # Errors
    /// [`StartError`]; nothing was opened then.
    pub async fn start(
        &self,
        request: &RunRequest,
        key: Option<&ClientKey>,
        shutdown: &Shutdown,
    ) -> Result<Started, StartError> {
        refuse_future(&*self.store, self.policy.zone, request.business_date).await?;
        let Some(key) = key else {
            return Ok(Started::Opened(Opened(Box::new(self.open(request, shutdown).await?))));
        };
        let (row, run) = self.new_run(request, shutdown).await?;
        if let Some(before) = self.store.open_run_once(&row, key).await? {
            return Ok(Started::Before(same(&before, key)?));
        }
        self.opened(&run).await?;
        Ok(Started::Opened(Opened(Box::new(run))))
    }

    /// Does a run that was started.
    ///
    /// # Errors
    /// As [`Engine::run`].
    pub async fn finish(&self, started: Opened) -> Result<RunReport, RunError> {
        self.do_all(*started.0).await
    }
}

fn same(before: &KeyedRun, key: &ClientKey) -> Result<RunId, StartError> {
    let odd = |_| StoreError::Row { table: "runs", key: before.id.clone(), problem: "its id is no UUID".to_owned() };
    let id = RunId(Uuid::parse_str(&before.id).map_err(odd)?);
    if before.asked == key.asked { Ok(id) } else { Err(StartError::OtherRequest(id)) }
}

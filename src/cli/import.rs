//! `renewd import`

use super::error::{CliError, usage};
use super::figures::thousands;
use super::output::{Mode, Output};
use crate::app::App;
use crate::engine::import::{self, ImportError, ImportSettings, Parsed};
use clap::ValueEnum;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// JSON lines; every line is checked before anything is written. `-` reads what comes in.
    file: PathBuf,
    /// What the lines are.
    #[arg(long, value_enum, default_value_t = Source::Lines)]
    from: Source,
    /// The plans (import lines of type "plan") that user documents refer to.
    #[arg(long, value_name = "FILE", required_if_eq("from", "user-documents"))]
    plans: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Source {
    /// renewd's own format: plans, customers, billing keys and subscriptions.
    Lines,
    /// Documents of a user collection that hold the subscription.
    UserDocuments,
}

pub async fn run(args: &Args, app: &App, output: &Output) -> Result<(), CliError> {
    let parsed = parse(args, app)?;
    let store = app.store().await?;
    let bar = output.progress(parsed.rows() as u64, "importing");
    let written = import::write(&*store, parsed).await;
    bar.finish();
    let imported = written.map_err(|err| match err {
        ImportError::Lines(bad) => bad_lines(&args.file, &bad),
        ImportError::Store(err) => CliError::from(err),
    })?;
    let rows = [
        ("plans", imported.plans),
        ("customers", imported.customers),
        ("billing keys", imported.billing_keys),
        ("subscriptions", imported.subscriptions),
        ("lines without a subscription, passed over", imported.skipped),
    ];
    if output.mode == Mode::Json {
        return output.json(&imported);
    }
    let rows = rows.map(|(what, count)| [what.to_owned(), thousands(count as u64)]);
    output.table(&["imported", ""], rows)
}

fn parse(args: &Args, app: &App) -> Result<Parsed, CliError> {
    let settings = ImportSettings { zone: app.zone };
    let text = read(&args.file)?;
    if args.from == Source::Lines {
        return import::lines(&text, &settings).map_err(|bad| bad_lines(&args.file, &bad));
    }
    let Some(path) = &args.plans else {
        return Err(usage("user documents name their plans only: --plans FILE is missing"));
    };
    let plans = import::lines(&read(path)?, &settings).map_err(|bad| bad_lines(path, &bad))?;
    import::documents(&text, plans.batch.plans, &settings).map_err(|bad| bad_lines(&args.file, &bad))
}

fn read(path: &Path) -> Result<String, CliError> {
    // `-` as whoever started this has it open: it may be nobody else's to open.
    let is_input = path == Path::new("-");
    let read = if is_input { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(path) };
    read.map_err(|err| usage(format!("{} cannot be read", path.display())).because(err))
}

fn bad_lines(path: &Path, bad: &import::BadLines) -> CliError {
    let error = usage(format!("{}: {} bad line(s)", path.display(), bad.0.len()));
    bad.told()
        .into_iter()
        .fold(error, CliError::detail)
        .money("nothing was imported")
        .hint("mend these lines and import the file again: lines that were imported before are updated")
}

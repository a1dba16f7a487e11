//! The commands of the guides and of the README do what is said there: each is run, in a state that calls for it.

use super::super::place::{Place, Said};
use super::super::running::{Simulator, wait_until};
use super::super::{LATER, NOW, Stage};
use super::lines::{call, normal, shell_lines, words};
use super::{Document, guides};
use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

/// The day before the period of the documents' own example ends.
const OF_THE_EXAMPLE: &str = "2026-02-27T10:00:00+09:00";
const AN_EVENT: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// What must be there before a command makes sense. The commands of one scene are run in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Scene {
    /// After a run: one is paid, one declined, one unknown, one under review.
    AfterARun,
    /// An empty account, which has money the next time.
    Declined,
    /// A card that is lost.
    LostCard,
    Paid,
    /// Under review: paid, and the process ended before it knew.
    Killed,
    /// Under review: PortOne has a schedule for it, or had.
    Scheduled,
    /// Under review: given back at once.
    GivenBack,
    /// An API service that cannot be reached, and messages that were given up.
    Untold,
    /// Nothing but a PortOne, and the files of the guide.
    Empty,
    /// The same, for user documents.
    Users,
    /// Links can be made.
    WithLinks,
}

/// Every command line, the scenes that it is run in, and how it ends there.
const RUN: &[(Scene, &str, i32)] = &[
    (Scene::AfterARun, "renewd status", 0),
    (Scene::AfterARun, "renewd status --codes", 0),
    (Scene::AfterARun, "renewd status --run 01890a5d-ac96-774b-bcce-b302099a8057", 0),
    (Scene::AfterARun, "renewd show sub_1", 0),
    (Scene::AfterARun, "renewd doctor", 0),
    (Scene::AfterARun, "renewd --version", 0),
    (Scene::AfterARun, "renewd events list --state dead", 0),
    (Scene::AfterARun, "renewd events list --state pending", 0),
    (Scene::AfterARun, "renewd run --dry-run", 0),
    (Scene::AfterARun, "renewd pause --reason wrong prices", 0),
    (Scene::AfterARun, "renewd resume --reason prices mended", 0),
    (Scene::AfterARun, "renewd run", 0),
    (Scene::AfterARun, "renewd run --override-brake growth --reason the campaign of 23 January", 0),
    (Scene::AfterARun, "renewd reconcile", 0),
    (Scene::AfterARun, "renewd reconcile --from 2026-01-28 --until 2026-01-31", 0),
    (Scene::AfterARun, "renewd look-ahead", 0),
    (Scene::AfterARun, "renewd migrate --check", 0),
    (Scene::AfterARun, "renewd token haneul --role operator", 0),
    (Scene::AfterARun, "renewd resume --reason the cancellations since the backup are entered again", 0),
    (Scene::Declined, "renewd retry sub_1 --reason the customer called", 0),
    (Scene::LostCard, "renewd retry sub_1 --reason new card by phone --with-billing-key -", 0),
    (Scene::Paid, "renewd refund rn… --amount 5000 --reason goodwill, ticket 7", 0),
    (Scene::Paid, "renewd refund rn… --reason cancelled by phone", 0),
    (Scene::Killed, "renewd resolve sub_1 --as paid --evidence PortOne's console --reason answered a week late", 0),
    (
        Scene::Scheduled,
        "renewd resolve sub_1 --as retry --evidence PortOne's console shows no payment --reason the contract is back",
        0,
    ),
    (
        Scene::Scheduled,
        "renewd resolve sub_1 --as not-charged --evidence PortOne's console shows no payment --reason the contract had ended",
        0,
    ),
    (
        Scene::GivenBack,
        "renewd resolve sub_1 --as refunded --evidence the customer's statement --reason given back in the console",
        0,
    ),
    (Scene::Untold, "renewd events list --state dead", 0),
    (Scene::Untold, "renewd events drop 01890a5d-ac96-774b-bcce-b302099a8057 --reason told by phone", 0),
    (Scene::Untold, "renewd events replay 01890a5d-ac96-774b-bcce-b302099a8057 --reason they lost it", 0),
    (Scene::Untold, "renewd events replay --dead --reason the API is back", 0),
    (
        Scene::Untold,
        "renewd events replay --since 2026-01-30T00:00:00+09:00 --sink webhook --reason the API lost a day",
        0,
    ),
    (Scene::Untold, "renewd events list --state pending", 0),
    (Scene::Untold, "renewd events deliver", 0),
    (Scene::Empty, "renewd migrate", 0),
    (Scene::Empty, "renewd import subscriptions.jsonl", 0),
    (Scene::Empty, "renewd doctor", 0),
    (Scene::Empty, "renewd run --dry-run", 0),
    (Scene::Empty, "renewd run --limit 1", 0),
    (Scene::Empty, "renewd run", 0),
    (Scene::Empty, "renewd status", 0),
    (Scene::Empty, "renewd show sub_1", 0),
    (Scene::Users, "renewd migrate", 0),
    (Scene::Users, "renewd import users.jsonl --from user-documents --plans plans.jsonl", 0),
    (Scene::Users, "renewd run --dry-run", 0),
    (Scene::WithLinks, "renewd link sub_1", 0),
];

/// What other tests run.
const ELSEWHERE: [(&str, &str); 8] = [
    ("renewd events drop ID --reason told by phone", "here, by a real id"),
    ("cargo run -- demo", "cli::readme"),
    ("renewd daemon", "cli::daemon"),
    ("renewd simulator", "every scene here"),
    ("renewd health", "cli::health"),
    ("renewd health --ready", "cli::health"),
    ("renewd refund rn… --amount 5000 --reason goodwill, ticket 7 # or all that is left", "here"),
    (
        "renewd resolve rn… --as paid --evidence PortOne's console --reason answered a week late",
        "here, by subscription",
    ),
];

/// Lines that call no renewd, and who runs them.
const NOT_OURS: [(&str, &str); 6] = [
    ("export PORTONE_API_SECRET=… PORTONE_STORE_ID=store-…", "each scene sets them"),
    ("tests/run", "it runs this"),
    ("grep ", "cli::logs looks for the same"),
    ("./release", "it builds for minutes, and runs the demo itself"),
    ("api() {", "http::api::readme"),
    ("api ", "http::api::readme"),
];

fn documents() -> Vec<Document> {
    let mut all = guides();
    all.push(Document::read("README.md"));
    all
}

/// Lines that no test here knows.
fn unaccounted(document: &Document) -> Vec<String> {
    let known = |line: &String| {
        let line = normal(line);
        RUN.iter().any(|(_, known, _)| normal_of(known) == line)
            || ELSEWHERE.iter().any(|(known, _)| normal_of(known) == line)
            || (call(&words(&line)).is_none() && NOT_OURS.iter().any(|(begin, _)| line.starts_with(begin)))
    };
    let lines = shell_lines(document).into_iter().filter(|line| !known(line));
    lines.map(|line| format!("{}: {line}", document.path)).collect()
}

/// As [`normal`] leaves a line: it takes quotes and comments off, and here there are none left.
fn normal_of(known: &str) -> String {
    known.split(" # ").next().unwrap_or(known).to_owned()
}

#[test]
fn every_command_is_accounted_for() {
    let documents = documents();
    let new: Vec<String> = documents.iter().flat_map(unaccounted).collect();
    assert!(new.is_empty(), "say in this file how these are run:\n{}", new.join("\n"));
    let all: BTreeSet<String> = documents.iter().flat_map(shell_lines).map(|line| normal(&line)).collect();
    for (_, known, _) in RUN {
        assert!(all.contains(&normal_of(known)), "no document has this any more: {known}");
    }
    let made_up = "```sh\nrenewd run --limit 7\nrm -r /\n```".to_owned();
    assert_eq!(unaccounted(&Document { path: "x.md".to_owned(), text: made_up }).len(), 2);
}

/// A command as a document has it, with what a person would fill in.
fn filled_in(line: &str, place: &Place) -> Vec<String> {
    let documents = documents();
    let written = documents.iter().flat_map(shell_lines).find(|one| normal(one) == normal_of(line));
    let first = |statement: &str| place.texts(statement).into_iter().next().unwrap_or_default();
    let replace = |word: String| match word.as_str() {
        "rn…" => first("SELECT payment_id FROM payments"),
        AN_EVENT if line.contains("status") => first("SELECT id FROM runs"),
        AN_EVENT => first("SELECT event_id FROM deliveries WHERE state = 'dead' ORDER BY event_id"),
        _ => word,
    };
    let arguments = call(&words(&written.expect("`every_command_is_accounted_for`"))).expect("a call of renewd");
    arguments.into_iter().map(replace).collect()
}

fn perform(place: &Place, clock: &str, line: &str) -> Said {
    let arguments = filled_in(line, place);
    let mut command = Command::new(env!("CARGO_BIN_EXE_renewd"));
    place.dress(command.args(["--clock", clock]).args(arguments));
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().expect("it starts");
    // Whoever reads no key does not read this either.
    let _ = child.stdin.take().expect("piped").write_all(b"billing-key-of-a-new-card\n");
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// Runs the commands of a scene, in order.
fn play(scene: Scene, stage: &Stage, clock: &str) {
    play_at(scene, &stage.place, clock, |_| true);
}

fn play_at(scene: Scene, place: &Place, clock: &str, wanted: impl Fn(&str) -> bool) {
    for (_, line, code) in RUN.iter().filter(|(of, line, _)| *of == scene && wanted(line)) {
        let said = perform(place, clock, line);
        assert_eq!(said.code, Some(*code), "{scene:?}: {line}: {said:#?}");
    }
}

fn one(key: &str) -> Stage {
    let stage = Stage::with(&[("1", key)]);
    stage.run(&[]);
    stage
}

#[test]
fn after_a_run() {
    let stage = Stage::with(&[
        ("1", "billing-key-1"),
        ("2", "billing-key-2-insufficient"),
        ("3", "billing-key-3-pending"),
        ("4", "billing-key-4-squatted"),
    ]);
    stage.run(&[]);
    play(Scene::AfterARun, &stage, LATER);
    assert_eq!(stage.simulator.charged().len(), 1, "looking charges nobody");
}

#[test]
fn by_hand() {
    play(Scene::Declined, &one("billing-key-1-insufficient-once"), LATER);
    let lost = one("billing-key-1-lost");
    play(Scene::LostCard, &lost, LATER);
    let paid = one("billing-key-1");
    play(Scene::Paid, &paid, LATER);
    let state = "SELECT state FROM renewals";
    assert_eq!((lost.place.texts(state), paid.place.texts(state)), (vec!["paid".into()], vec!["refunded".into()]));
}

#[test]
fn each_answer_to_a_review() {
    for (key, wanted, state) in [("scheduled-once", "--as retry", "paid"), ("scheduled", "--as not-charged", "failed")]
    {
        let stage = one(&format!("billing-key-1-{key}"));
        play_at(Scene::Scheduled, &stage.place, LATER, |line| line.contains(wanted));
        assert_eq!(stage.place.texts("SELECT state FROM renewals"), [state]);
    }
    let back = one("billing-key-1-cancelled");
    play(Scene::GivenBack, &back, LATER);
    assert_eq!(back.place.texts("SELECT state FROM renewals"), ["refunded"]);

    let mut killed = Stage::with(&[("1", "billing-key-1-slow")]);
    killed.place.set("RENEWD_CHARGE__CLAIMS_UNSETTLED_MAX", "1");
    let run = killed.place.start(&["--clock", NOW, "run"]);
    wait_until("the charge", || killed.simulator.charged().len() == 1);
    drop(run);
    killed.run_again(&[]);
    assert_eq!(killed.place.texts("SELECT state FROM renewals"), ["review"]);
    play(Scene::Killed, &killed, LATER);
    assert_eq!(killed.place.texts("SELECT state FROM renewals"), ["paid"]);
    assert_eq!(killed.simulator.charged().len(), 1);
}

#[test]
fn untold() {
    let mut stage = Stage::with(&[("1", "billing-key-1"), ("2", "billing-key-2"), ("3", "billing-key-3")]);
    // Nobody listens there.
    stage.place.set("RENEWD_NOTIFY__WEBHOOK_URL", "http://127.0.0.1:9/events");
    stage.place.set("RENEWD_NOTIFY__WEBHOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    stage.place.set("RENEWD_NOTIFY__TRIES_MAX", "1");
    stage.place.set("RENEWD_NOTIFY__DELIVER_WITHIN", "5s");
    stage.run(&[]);
    assert_eq!(stage.place.count("deliveries WHERE state = 'dead'"), 3);
    play(Scene::Untold, &stage, LATER);
    assert_eq!(stage.place.count("actions"), 4);
}

#[test]
fn moving_in() {
    let guide = Document::read("docs/INTEGRATING.md");
    for (scene, files) in
        [(Scene::Empty, &["subscriptions.jsonl"][..]), (Scene::Users, &["users.jsonl", "plans.jsonl"])]
    {
        let mut place = Place::empty();
        let simulator = Simulator::start(&place, &[]);
        simulator.tell(&mut place);
        files.iter().for_each(|file| place.write(file, guide.block(&format!("json {file}"))));
        play_at(scene, &place, OF_THE_EXAMPLE, |_| true);
        let subscriptions = if scene == Scene::Empty { 1 } else { 2 };
        assert_eq!(place.count("subscriptions"), subscriptions, "{scene:?}");
        assert_eq!(simulator.charged().len(), usize::from(scene == Scene::Empty));
    }
}

#[test]
fn a_link() {
    let mut stage = Stage::with(&[("1", "billing-key-1")]);
    for (name, value) in
        [("BASE_URL", "https://pay.example.com"), ("SHOP", "Example"), ("CHANNEL_KEY", "channel-key-1")]
    {
        stage.place.set(&format!("RENEWD_PAY__{name}"), value);
    }
    play(Scene::WithLinks, &stage, NOW);
}

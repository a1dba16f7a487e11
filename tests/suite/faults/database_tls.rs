//! The way to the database, with `sslmode=verify-full` and a real server: whoever is not the server that is meant hears
//! nothing, and whoever reads the error learns which certificate is wrong and what to do.

use super::database::execute;
use crate::cli::place::Place;
use crate::cli::running::wait_until;
use crate::support::certificates::{Authority, Certified};
use crate::support::postgres::PrivateServer;
use rcgen::{CertificateParams, date_time_ymd};

/// What is wrong, what the server shows (`None`: it speaks no TLS), and words of the error.
type Case = (&'static str, Option<Certified>, &'static [&'static str]);

fn as_it_is(_: &mut CertificateParams) {}

fn expired(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2021, 1, 1);
}

/// Makes the server show this certificate from now on.
async fn show(server: &PrivateServer, certified: Option<&Certified>) {
    let admin = server.url("postgres");
    let Some(certified) = certified else {
        execute(&admin, "ALTER SYSTEM SET ssl = off").await.unwrap();
        execute(&admin, "SELECT pg_reload_conf()").await.unwrap();
        return;
    };
    let certificate = server.file("server.crt", &certified.certificate);
    let key = server.file("server.key", &certified.key);
    for set in [
        format!("ALTER SYSTEM SET ssl_cert_file = '{}'", certificate.display()),
        format!("ALTER SYSTEM SET ssl_key_file = '{}'", key.display()),
        "ALTER SYSTEM SET ssl = on".to_owned(),
        "SELECT pg_reload_conf()".to_owned(),
    ] {
        execute(&admin, &set).await.unwrap();
    }
}

/// Until the server has read its settings again, it shows what it showed before.
fn until(place: &Place, is_so: impl Fn(&crate::cli::place::Said) -> bool) -> crate::cli::place::Said {
    let mut said = place.run(&["status"]);
    wait_until("the server's other certificate", || {
        said = place.run(&["status"]);
        is_so(&said)
    });
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_server_that_is_meant_is_spoken_to() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let server = PrivateServer::on_tcp().await;
    server.make_database("tls").await;
    let place = Place::empty();
    place.write("ca.pem", &ours.pem());
    let ca = place.path("ca.pem").display().to_string();
    let place = place.with("DATABASE_URL", &server.tcp_url("tls", &format!("sslmode=verify-full&sslrootcert={ca}")));

    let right = ours.certify("localhost", as_it_is);
    show(&server, Some(&right)).await;
    until(&place, |said| said.err.contains("renewd migrate"));
    place.run(&["migrate"]).ok();
    let encrypted =
        "SELECT 1 / count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE ssl AND pid = pg_backend_pid()";
    execute(&server.tcp_url("tls", &format!("sslmode=verify-full&sslrootcert={ca}")), encrypted).await.unwrap();

    let wrong: [Case; 4] = [
        ("another host's", Some(ours.certify("db.example.com", as_it_is)), &["for another host", "DATABASE_URL"]),
        (
            "another authority's",
            Some(theirs.certify("localhost", as_it_is)),
            &["no authority that is trusted here", "sslrootcert"],
        ),
        ("expired", Some(ours.certify("localhost", expired)), &["is not valid now", "renew it"]),
        ("none at all", None, &["speaks no TLS", "sslmode=verify-full"]),
    ];
    for (what, certified, words) in &wrong {
        show(&server, certified.as_ref()).await;
        let said = until(&place, |said| said.err.contains(words[0]));
        said.refused(2, &["refused to speak", words[0]]).money("nothing was sent").line(&["hint", words[1]]);
        let doctor = place.run(&["--output", "json", "doctor"]);
        assert_eq!(doctor.code, Some(2), "{what}: {doctor:#?}");
        let told = doctor.json();
        let check = told["checks"].as_array().unwrap().iter().find(|check| check["check"] == "database").unwrap();
        assert!(check["found"].as_str().unwrap().contains(words[0]), "{what}: {check:#}");
        assert!(check["do"].as_str().unwrap().contains(words[1]), "{what}: {check:#}");
    }
    show(&server, Some(&right)).await;
    until(&place, |said| said.code == Some(0));
}

//! Where secrets come from, and where they never go.

use super::*;

#[test]
fn each_secret_can_come_from_a_file() {
    let (secret, database) = (file("hunter2-hunter2\n"), file("postgres://u:p@h/db\r\n"));
    let path = |file: &NamedTempFile| file.path().display().to_string();
    let config = with_environment(&[
        ("PORTONE_API_SECRET_FILE", &path(&secret)),
        ("RENEWD_GATEWAY__WEBHOOK_SECRET_FILE", &path(&secret)),
        ("DATABASE_URL_FILE", &path(&database)),
    ])
    .unwrap();
    assert_eq!(config.gateway.api_secret.as_ref().unwrap().expose(), SECRET);
    assert_eq!(config.gateway.webhook_secret.as_ref().unwrap().expose(), SECRET);
    assert_eq!(config.database.url.expose(), "postgres://u:p@h/db");
}

#[test]
fn the_secret_is_sent_over_https_or_to_this_machine() {
    let said = said_of(&[("PORTONE_API_BASE", "http://api.portone.io")]);
    assert!(
        said.starts_with(r#"gateway.base_url = "http://api.portone.io" (from PORTONE_API_BASE): http is refused"#),
        "{said}"
    );
    let is_real = |base| with_environment(&[("PORTONE_API_BASE", base)]).unwrap().gateway.is_real_gateway();
    assert!(!is_real("http://127.0.0.1:8080") && !is_real("http://localhost:1") && !is_real("http://[::1]:1"));
    assert!(is_real("https://api.portone.io") && is_real("https://portone.example.com"));
}

#[test]
fn no_secret_is_ever_printed() {
    let key = "ab".repeat(32);
    let url = format!("postgres://u:{SECRET}@h/db");
    let variables = [
        ("DATABASE_URL", url.as_str()),
        ("PORTONE_API_SECRET", SECRET),
        ("PORTONE_WEBHOOK_SECRET", SECRET),
        ("RENEWD_PAYMENT_ID_KEY", &key),
    ];
    let config = with_environment(&variables).unwrap();
    let words = format!("{config:?} {:?} {}", config.provenance, config.database.url);
    assert!(!words.contains(SECRET) && !words.contains(&key), "{words}");
    let environment: Environment = variables.into_iter().collect();
    let layers = Layers { environment, ..Layers::default() };
    assert!(!format!("{layers:?}").contains(SECRET));
}

#[test]
fn no_error_repeats_a_secret() {
    for (name, value) in [
        ("PORTONE_API_SECRET", "hunter2 hunter2"),
        ("PORTONE_WEBHOOK_SECRET", "hunter2\n"),
        ("RENEWD_PAYMENT_ID_KEY", "hunter2"),
        ("DATABASE_URL", "mysql://u:hunter2@h/db"),
        ("DATABASE_URL", "hunter2"),
        ("DATABASE_URL", "postgres://u:hunter2@h:port/db"),
        ("PORTONE_API_BASE", "https://u:hunter2@api.portone.io"),
    ] {
        let error = with_environment(&[(name, value)]).unwrap_err();
        assert!(error.to_string().contains(&format!("(from {name})")), "{error}");
        assert!(!all_words(&error).contains("hunter2"), "{error:?}");
    }
    for text in ["api_secret = [\"hunter2\"]", "api_secret = { hunter2 = 1 }", "payment_id_key = \"hunter2\""] {
        let error = with_file(&format!("[gateway]\n{text}\n")).unwrap_err();
        assert!(!all_words(&error).contains("hunter2"), "{error:?}");
    }
    let error = with_file("[gateway]\napi_secret = 20042004\n").unwrap_err();
    assert!(!all_words(&error).contains("20042004"), "{error:?}");
}

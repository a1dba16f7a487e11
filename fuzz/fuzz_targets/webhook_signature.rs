//! A webhook as it comes over the wire: lines of headers, an empty line, the body.
#![no_main]

#[path = "../../tests/suite/properties/signed.rs"]
#[allow(dead_code, reason = "the tests sign with its secrets as well")]
mod signed;

use libfuzzer_sys::fuzz_target;
use renewd::webhook::signature::Secrets;

fuzz_target!(|input: &[u8]| {
    let mut headers = Vec::new();
    let mut rest = input;
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let line = &rest[..end];
        rest = &rest[end + 1..];
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { break };
        let name = String::from_utf8_lossy(&line[..colon]).into_owned();
        headers.push((name, line[colon + 1..].trim_ascii().to_vec()));
    }
    let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    let _ = signed::check(&headers, rest);
    let _ = Secrets::parse(&String::from_utf8_lossy(input));
});

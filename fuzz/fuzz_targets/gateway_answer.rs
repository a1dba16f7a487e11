//! An answer of the gateway: the first line is the HTTP status and the `Retry-After` header, the rest is the body.
#![no_main]

#[path = "../../tests/suite/properties/oracle.rs"]
#[allow(dead_code, reason = "the tests make answers with it as well")]
mod oracle;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let (head, body) = (&input[..end], input.get(end + 1..).unwrap_or_default());
    let head = String::from_utf8_lossy(head);
    let (status, retry_after) = head.split_once(' ').map_or((&*head, None), |(status, rest)| (status, Some(rest)));
    let status = status.parse().ok().filter(|status| (100..600).contains(status)).unwrap_or(200);
    oracle::check_charge(status, retry_after, body);
    oracle::check_look_up(status, body);
});

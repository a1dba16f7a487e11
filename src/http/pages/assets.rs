//! Style, script and icon, from the binary. Their path names their content, so that browsers may keep them for ever.

use crate::http::Door;
use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest, Sha256};
use std::sync::{Arc, LazyLock};

struct Asset {
    name: &'static str,
    kind: &'static str,
    content: &'static [u8],
}

const ASSETS: [Asset; 3] = [
    Asset { name: "page.css", kind: "text/css; charset=utf-8", content: include_bytes!("../../../assets/page.css") },
    Asset {
        name: "htmx.js",
        kind: "text/javascript; charset=utf-8",
        content: include_bytes!("../../../assets/htmx.min.js"),
    },
    Asset { name: "icon.svg", kind: "image/svg+xml", content: include_bytes!("../../../assets/icon.svg") },
];

/// Names the content of all assets; so many digits tell any two apart.
const VERSION_DIGITS: usize = 16;

/// Kept for a year under the path of its content; asked about each time under any other.
const KEPT: &str = "public, max-age=31536000, immutable";
const ASKED: &str = "public, no-cache";

static VERSION: LazyLock<String> = LazyLock::new(|| {
    let hash = ASSETS.iter().fold(Sha256::new(), |hash, asset| hash.chain_update(asset.content)).finalize();
    let mut digits = data_encoding::HEXLOWER.encode(&hash);
    digits.truncate(VERSION_DIGITS);
    digits
});

/// Where a page finds an asset.
pub(super) fn path(name: &str) -> String {
    format!("/assets/{}/{name}", *VERSION)
}

pub(super) fn router() -> Router<Arc<Door>> {
    Router::new().route("/assets/{version}/{name}", get(asset))
}

async fn asset(Path((version, name)): Path<(String, String)>, headers: HeaderMap) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return super::super::problem::not_found().await.into_response();
    };
    // A page of another version may still be open while this one is rolled out.
    let kept = if version == *VERSION { KEPT } else { ASKED };
    let etag = format!("\"{}\"", *VERSION);
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|shown| shown.as_bytes() == etag.as_bytes());
    let about = [(header::ETAG, etag), (header::CACHE_CONTROL, kept.to_owned())];
    if known {
        return (StatusCode::NOT_MODIFIED, about).into_response();
    }
    (about, [(header::CONTENT_TYPE, asset.kind)], asset.content).into_response()
}

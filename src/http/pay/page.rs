//! The page as HTML.

use super::PayPage;
use super::words::Words;
use crate::domain::date::Zone;
use crate::domain::money::{Currency, Money};
use crate::engine::new_card::{CardOffer, DueSum};
use maud::{DOCTYPE, Markup, html};

/// A new card is wanted: the form, and what the script needs to know.
pub(super) fn offered(page: &PayPage, offer: &CardOffer, zone: Zone, words: &Words) -> String {
    let done = if offer.due.is_some() { words.done_due } else { words.done };
    let body = html! {
        p.intro { (if offer.due.is_some() { words.intro_due } else { words.intro }) }
        dl.facts {
            @if let Some(due) = &offer.due {
                div { dt { (words.due) } dd.sum { (told_sum(due)) } }
            }
            div { dt { (words.access_until) } dd { (zone.date_of(offer.access_until).format("%Y-%m-%d")) } }
        }
        form #card data-store=(page.store_id) data-channel=(page.channel_key) data-method=(page.method)
            data-customer=(offer.customer_id.as_str()) data-shop=(page.shop) data-locale=(words.locale)
            data-waiting=(words.waiting) data-done=(done) data-stopped=(words.stopped) data-refused=(words.refused)
            data-later=(words.later) {
            @if page.ask_contact {
                (field("name", words.name, "text", "name"))
                (field("phone", words.phone, "tel", "tel"))
                (field("email", words.email, "email", "email"))
            }
            button #add type="submit" { (words.button) }
        }
        p #said role="status" aria-live="polite" {}
        noscript { p.problem { (words.needs_script) } }
        p.safe { (words.safe) }
        script src=(page.sdk_url) {}
        script src="/assets/pay.js" {}
    };
    document(&page.shop, &body, words)
}

fn field(name: &str, label: &str, kind: &str, autocomplete: &str) -> Markup {
    html! {
        label for=(name) { (label) }
        input #(name) name=(name) type=(kind) autocomplete=(autocomplete) required;
    }
}

/// One sentence, where there is nothing to do.
pub(super) fn told(sentence: &str, words: &Words) -> String {
    document("", &html! { p.intro { (sentence) } }, words)
}

fn document(shop: &str, body: &Markup, words: &Words) -> String {
    let page = html! {
        (DOCTYPE)
        html lang=(words.lang) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                title { (words.title) }
                link rel="icon" href="data:,";
                link rel="stylesheet" href="/assets/pay.css";
            }
            body {
                main {
                    @if !shop.is_empty() { p.shop { (shop) } }
                    h1 { (words.title) }
                    (body)
                }
            }
        }
    };
    page.into_string()
}

fn told_sum(due: &DueSum) -> String {
    let money = Currency::parse(&due.currency).ok().and_then(|currency| Money::new(due.amount, currency).ok());
    money.map_or_else(|| format!("{} {}", due.amount, due.currency), |money| money.to_string())
}

/// Scheme and host of an address: what a policy names.
pub(super) fn origin(url: &str) -> &str {
    let host_at = url.find("://").map_or(0, |at| at + 3);
    url[host_at..].find('/').map_or(url, |end| &url[..host_at + end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_scheme_and_host() {
        assert_eq!(origin("https://cdn.portone.io/v2/browser-sdk.js"), "https://cdn.portone.io");
        assert_eq!(origin("http://127.0.0.1:8080/sdk.js"), "http://127.0.0.1:8080");
        assert_eq!(origin("https://cdn.portone.io"), "https://cdn.portone.io");
    }
}

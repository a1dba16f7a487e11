//! A month in bars: what was collected stands on the line, what was refused hangs from it.
//!
//! Only the bars are drawn, and stretched to whatever width there is; words stay words, in the page's own type.

use super::figures::{Day, Days};
use super::parts;
use super::shown::sum;
use super::visitor::Visitor;
use maud::{Markup, html};

/// The drawing's own units: one date, and all of the height.
const DATE_WIDTH: i64 = 12;
const BAR_WIDTH: i64 = 8;
const HEIGHT: i64 = 200;

pub fn chart(visitor: &Visitor, days: &Days) -> Markup {
    let (words, language) = (visitor.words(), visitor.look.language);
    let money = |minor: i64| sum(&days.currency, minor);
    let total = days.total();
    let label = super::shown::fill(words.chart_label, &[&money(total.collected.minor), &money(total.refused.minor)]);
    let peak = days.days.iter().map(|(_, day)| day.collected.minor).max().unwrap_or(0);
    html! {
        figure.chart {
            figcaption {
                span.key.collected { (words.collected) " " strong { (money(total.collected.minor)) } }
                span.key.refused { (words.refused) " " strong { (money(total.refused.minor)) } }
            }
            p.scale { (money(peak)) }
            (drawing(days, &label, &|day| title(visitor, &days.currency, day)))
            div.axis aria-hidden="true" {
                @for at in [0, days.days.len() / 2, days.days.len().saturating_sub(1)] {
                    @if let Some((date, _)) = days.days.get(at) { span { (language.day(*date)) } }
                }
            }
            details {
                summary { (words.chart_as_table) }
                (as_table(visitor, days))
            }
        }
    }
}

fn drawing(days: &Days, label: &str, title: &dyn Fn(&(chrono::NaiveDate, Day)) -> String) -> Markup {
    let highest = |of: fn(&Day) -> i64| days.days.iter().map(|(_, day)| of(day)).max().unwrap_or(0);
    let (up, down) = (highest(|day| day.collected.minor), highest(|day| day.refused.minor));
    let whole = up.saturating_add(down).max(1);
    let height = |minor: i64| i64::try_from(i128::from(minor) * i128::from(HEIGHT) / i128::from(whole)).unwrap_or(0);
    // The smallest sum is seen, too.
    let bar = |minor: i64| if minor > 0 { height(minor).max(2) } else { 0 };
    let line = height(up);
    let width = i64::try_from(days.days.len()).unwrap_or(0) * DATE_WIDTH;
    html! {
        svg role="img" aria-label=(label) viewBox={ "0 -4 " (width) " " (HEIGHT + 8) } preserveAspectRatio="none" {
            @for (x, each) in (0..).step_by(12).zip(&days.days) {
                @let (collected, refused) = (bar(each.1.collected.minor), bar(each.1.refused.minor));
                g {
                    title { (title(each)) }
                    rect.reach x=(x) y="-4" width=(DATE_WIDTH) height=(HEIGHT + 8) {}
                    rect.collected x=(x + 2) y=(line - collected) width=(BAR_WIDTH) height=(collected) {}
                    rect.refused x=(x + 2) y=(line) width=(BAR_WIDTH) height=(refused) {}
                }
            }
            line.ground x1="0" x2=(width) y1=(line) y2=(line) {}
        }
    }
}

fn title(visitor: &Visitor, currency: &str, (date, day): &(chrono::NaiveDate, Day)) -> String {
    let words = visitor.words();
    format!(
        "{}: {} {}, {} {}",
        visitor.look.language.day(*date),
        words.collected,
        sum(currency, day.collected.minor),
        words.refused,
        sum(currency, day.refused.minor)
    )
}

fn as_table(visitor: &Visitor, days: &Days) -> Markup {
    let words = visitor.words();
    let heads = [
        parts::text(words.business_date),
        parts::number(words.collected),
        parts::number(words.charges),
        parts::number(words.refused),
        parts::number(words.charges),
    ];
    let part = |part: super::figures::Sum| {
        [html! { (sum(&days.currency, part.minor)) }, html! { (super::shown::count(part.count)) }]
    };
    let is_told = |(_, day): &&(chrono::NaiveDate, Day)| day.collected.count + day.refused.count > 0;
    let rows = days.days.iter().rev().filter(is_told).map(|(date, day)| {
        let [collected, paid] = part(day.collected);
        let [refused, declined] = part(day.refused);
        vec![html! { (visitor.look.language.day(*date)) }, collected, paid, refused, declined]
    });
    parts::table(words.last_30_days, &heads, rows)
}

#[cfg(test)]
mod tests {
    use super::super::figures::Sum;
    use super::*;

    #[test]
    fn every_date_has_its_place_and_the_smallest_sum_is_seen() {
        let day = |collected, refused| Day {
            collected: Sum { count: 1, minor: collected },
            refused: Sum { count: 1, minor: refused },
        };
        let date = |nth: u64| chrono::NaiveDate::default() + chrono::Days::new(nth);
        let days = Days {
            currency: "KRW".to_owned(),
            days: vec![(date(0), day(300, 100)), (date(1), Day::default()), (date(2), day(0, 1))],
        };
        let drawn = drawing(&days, "label", &|_| "a \"date\"".to_owned()).into_string();
        // All of the height is shared: 300 up, 100 down.
        for part in [
            r#"viewBox="0 -4 36 208""#,
            r#"<rect class="collected" x="2" y="0" width="8" height="150">"#,
            r#"<rect class="refused" x="2" y="150" width="8" height="50">"#,
            r#"<rect class="collected" x="14" y="150" width="8" height="0">"#,
            r#"<rect class="refused" x="26" y="150" width="8" height="2">"#,
            "a &quot;date&quot;",
        ] {
            assert!(drawn.contains(part), "{part} is not in {drawn}");
        }
        assert_eq!(drawn.matches("<g>").count(), 3);
    }
}

//! How cards live. What a card says follows from what it is, not from how often it is asked.

use super::super::time::{DAY, HOUR};
use chrono::{DateTime, Datelike, TimeDelta};

/// What is the matter with a card.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Health {
    Good,
    /// No money on the account until then.
    Empty(i64),
    /// At its limit until then.
    AtLimit(i64),
    /// Its issuer or its payment gateway is away until then.
    Away(&'static str, i64),
    /// It will never be charged again, and says so like this.
    Dead(&'static str),
    /// It says something that nobody knows until then.
    Strange(&'static str, i64),
}

#[derive(Clone, Debug)]
pub struct Card {
    pub health: Health,
}

impl Card {
    pub fn new() -> Self {
        Self { health: Health::Good }
    }

    /// What it says when it is charged at `now`: the name of a decline, or nothing against it.
    pub fn says(&mut self, now: i64, random: &mut fastrand::Rng, haste: f64) -> Option<&'static str> {
        if self.is_over(now) {
            self.health = Health::Good;
            // Once more: an account that was filled is charged.
            return None;
        }
        if self.health == Health::Good {
            self.health = fate(now, random, haste);
        }
        match self.health {
            Health::Good => None,
            Health::Empty(_) => Some("insufficient"),
            Health::AtLimit(_) => Some("limit"),
            Health::Away(word, _) | Health::Dead(word) | Health::Strange(word, _) => Some(word),
        }
    }

    fn is_over(&self, now: i64) -> bool {
        match self.health {
            Health::Good | Health::Dead(_) => false,
            Health::Empty(until) | Health::AtLimit(until) | Health::Away(_, until) | Health::Strange(_, until) => {
                until <= now
            }
        }
    }
}

/// What befalls a good card on the day that it is charged, as often as in life.
fn fate(now: i64, random: &mut fastrand::Rng, haste: f64) -> Health {
    const DEAD: [&str; 5] = ["lost", "expired", "suspended", "invalid", "dead-key"];
    const AWAY: [&str; 3] = ["issuer-down", "maintenance", "pg-error"];
    const STRANGE: [&str; 4] = ["refer", "declined", "fraud", "unheard-of"];
    let roll = random.f64() / haste;
    match roll {
        roll if roll < 0.030 => Health::Empty(pay_day_after(now)),
        roll if roll < 0.045 => Health::AtLimit(now + random.i64(1..6) * DAY),
        roll if roll < 0.057 => Health::Away(AWAY[random.usize(..AWAY.len())], now + random.i64(1..30) * HOUR),
        roll if roll < 0.067 => Health::Dead(DEAD[random.usize(..DEAD.len())]),
        roll if roll < 0.075 => Health::Strange(STRANGE[random.usize(..STRANGE.len())], now + random.i64(1..8) * DAY),
        // A time-out at the issuer: nobody knows for a day.
        roll if roll < 0.076 => Health::Away("pg-timeout", now + 2 * DAY),
        _ => Health::Good,
    }
}

/// Seven in the morning of the next 10th or 25th, in Seoul.
fn pay_day_after(now: i64) -> i64 {
    let local = DateTime::from_timestamp_micros(now).unwrap() + TimeDelta::hours(9);
    let day = local.date_naive().iter_days().skip(1).find(|day| matches!(day.day(), 10 | 25)).unwrap();
    let seven = day.and_hms_opt(7, 0, 0).unwrap().and_utc() - TimeDelta::hours(9);
    seven.timestamp_micros()
}

//! Operations, by an incoming webhook of Slack. The address is the hook's only secret.

use super::http::{Http, HttpLimits, SetupError, no_answer};
use super::words::{Words, words};
use super::{Message, Sink};
use crate::domain::delivery::{Reply, Severity, SinkName};
use async_trait::async_trait;
use reqwest::header::HeaderMap;
use secrecy::SecretString;
use serde_json::json;

/// Slack will never take these: the message is wrong, not the moment.
const FINAL: [u16; 2] = [400, 413];

/// Posts to one channel.
pub struct SlackSink {
    http: Http,
    /// What this installation is called, where several write to one channel.
    installation: String,
}

impl SlackSink {
    /// # Errors
    /// [`SetupError`] for an address that is refused.
    pub fn new(url: &SecretString, installation: &str, limits: HttpLimits) -> Result<Self, SetupError> {
        Ok(Self { http: Http::new(url, limits)?, installation: installation.to_owned() })
    }
}

#[async_trait]
impl Sink for SlackSink {
    fn name(&self) -> SinkName {
        SinkName::Slack
    }

    async fn send(&self, message: &Message<'_>) -> Reply {
        let text = text(&words(message.event), &self.installation, message.severity);
        match self.http.post(HeaderMap::new(), json!({ "text": text }).to_string().into_bytes()).await {
            Ok(answer) => answer.reply_with_final(&FINAL),
            Err(why) => no_answer(why),
        }
    }
}

fn text(words: &Words, installation: &str, severity: Severity) -> String {
    let mark = match severity {
        Severity::Info => "",
        Severity::Warning => ":warning: ",
        Severity::Error | Severity::Critical => ":rotating_light: ",
    };
    let mut text = format!("{mark}*{}: {}*", escaped(installation), escaped(&words.title));
    for line in &words.lines {
        text.push_str("\n• ");
        text.push_str(&escaped(line));
    }
    if let Some(todo) = &words.todo {
        text.push_str("\n→ ");
        text.push_str(&escaped(todo));
    }
    if let Some(command) = &words.command {
        text.push_str(&format!("\n`{}`", escaped(command).replace('`', "'")));
    }
    text
}

/// Slack reads three characters as its own; a customer's text must not become a mention of everybody.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_how_much_what_to_do_and_the_command() {
        let words = Words {
            title: "sub_1 needs a person".to_owned(),
            lines: vec!["55,000 KRW".to_owned(), "<!channel> & co".to_owned()],
            todo: Some("look at it".to_owned()),
            command: Some("renewd show `sub_1`".to_owned()),
        };
        assert_eq!(
            text(&words, "prod", Severity::Error),
            ":rotating_light: *prod: sub_1 needs a person*\n• 55,000 KRW\n• &lt;!channel&gt; &amp; co\n→ look at it\n`renewd show 'sub_1'`"
        );
    }
}

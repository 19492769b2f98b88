//! The keeper's log, one JSON object a line, as far as it makes events.
use serde_json::{Map, Value};

use super::cast::Node;
use super::event::{Transition, What};

/// What a line of `node`'s log tells; `None` when it is nothing for the timeline.
pub(super) fn read_line(node: Node, line: &str) -> Option<What> {
    let Ok(Value::Object(record)) = serde_json::from_str::<Value>(line) else { return None };
    let fields = match record.get("fields") {
        Some(Value::Object(fields)) => fields,
        Some(_) | None => &record,
    };
    let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    if text("message") == TRANSITION {
        let (from, to, cause) = (text("from"), text("to"), text("cause"));
        return Some(What::Transition(Transition { node, from, to, cause }));
    }
    if text("message") == REFUSED {
        return None;
    }
    let level = record.get("level").and_then(Value::as_str).unwrap_or_default();
    let matters = level.eq_ignore_ascii_case("error") || level.eq_ignore_ascii_case("warn");
    matters.then(|| What::Warned { node, text: plain(fields) })
}

/// The message and its fields as a person would write them.
fn plain(fields: &Map<String, Value>) -> String {
    let message = fields.get("message").and_then(Value::as_str).unwrap_or("(no message)");
    let mut text = message.to_owned();
    for (name, value) in fields.iter().filter(|(name, _)| !SILENT.contains(&name.as_str())) {
        let value = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        text.push_str(&format!(" {name}={value}"));
    }
    text
}

/// The message of a VRRP state change.
const TRANSITION: &str = "state changed";
/// The message of a right the kernel does not give in a sandbox. It says nothing about the pair.
const REFUSED: &str = "VRRP thread runs without";
/// Fields the timeline has in another way.
const SILENT: [&str; 5] = ["message", "timestamp", "level", "target", "threadName"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transition_is_read_with_its_cause() {
        let line = r#"{"timestamp":"t","level":"INFO","fields":{"message":"state changed","instance":"VI_1","from":"BACKUP","to":"MASTER","cause":"lb1 is silent","priority":100},"target":"x"}"#;
        let expected = Transition {
            node: Node::Lb2,
            from: "BACKUP".to_owned(),
            to: "MASTER".to_owned(),
            cause: "lb1 is silent".to_owned(),
        };
        assert_eq!(read_line(Node::Lb2, line), Some(What::Transition(expected.clone())));
        let flat = r#"{"level":"info","message":"state changed","from":"BACKUP","to":"MASTER","cause":"lb1 is silent"}"#;
        assert_eq!(read_line(Node::Lb2, flat), Some(What::Transition(expected)));
    }

    #[test]
    fn of_the_rest_only_trouble_is_told() {
        let warning =
            r#"{"level":"WARN","fields":{"message":"worker ended","status":"signal 9","restarts":1}}"#;
        let text = "worker ended restarts=1 status=signal 9".to_owned();
        assert_eq!(read_line(Node::Lb1, warning), Some(What::Warned { node: Node::Lb1, text }));
        assert_eq!(read_line(Node::Lb1, r#"{"level":"INFO","fields":{"message":"ready"}}"#), None);
        let refused =
            r#"{"level":"WARN","fields":{"message":"VRRP thread runs without","refused":"locked memory"}}"#;
        assert_eq!(read_line(Node::Lb1, refused), None);
        assert_eq!(read_line(Node::Lb1, "thread 'main' panicked"), None);
    }
}

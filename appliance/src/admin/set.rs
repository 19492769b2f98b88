//! What is done to everything but servers.

use std::time::Duration;

use evenkeel_proxy::plan::FrontendId;

use super::commands::DENIED;
use super::{Call, Level, Outcome};

fn frontend(call: &Call<'_>, at: usize) -> Result<FrontendId, Outcome> {
    let name = call.word(at);
    if name.is_empty() {
        return Err("A frontend name is expected.".into());
    }
    let all = (0..).map(FrontendId).zip(call.sight.plan().frontends());
    let found = all.into_iter().find(|(_, f)| f.name == name).map(|(id, _)| id);
    found.ok_or_else(|| "No such frontend.".into())
}

fn pause(call: &Call<'_>, paused: bool) -> Outcome {
    let id = match frontend(call, 2) {
        Ok(id) => id,
        Err(said) => return said,
    };
    let doors = call.sight.doors();
    if doors.frontends().get(usize::from(id.0)).is_some_and(|d| d.paused == paused) {
        let is = if paused { "disabled" } else { "enabled" };
        return Outcome::Said(format!("All sockets are already {is}."));
    }
    doors.pause(id, paused);
    Outcome::Done
}

pub(super) fn disable_frontend(call: Call<'_>) -> Outcome {
    pause(&call, true)
}

pub(super) fn enable_frontend(call: Call<'_>) -> Outcome {
    pause(&call, false)
}

pub(super) fn maxconn_frontend(call: Call<'_>) -> Outcome {
    let id = match frontend(&call, 3) {
        Ok(id) => id,
        Err(said) => return said,
    };
    let text = call.word(4);
    if text.is_empty() {
        return "Integer value expected.".into();
    }
    let Ok(most) = text.parse::<i64>() else { return "Integer value expected.".into() };
    let Ok(most) = u32::try_from(most) else { return "Value out of range.".into() };
    let limit = call.sight.plan().global.maxconn;
    call.sight.doors().set_frontend_most(id, if most == 0 { limit } else { most });
    Outcome::Done
}

pub(super) fn maxconn_global(call: Call<'_>) -> Outcome {
    let text = call.word(3);
    let Ok(most) = text.parse::<i64>() else { return "Expects an integer value.".into() };
    let limit = call.sight.plan().global.maxconn;
    match u32::try_from(most) {
        Ok(0) => call.sight.doors().set_process_most(limit),
        Ok(most) if most <= limit => call.sight.doors().set_process_most(most),
        Ok(_) | Err(_) => return "Value out of range.".into(),
    }
    Outcome::Done
}

pub(super) fn timeout(call: Call<'_>) -> Outcome {
    if call.word(2) != "cli" {
        return "'set timeout' only supports 'cli'.".into();
    }
    let text = call.word(3);
    if text.is_empty() {
        return "Expects an integer value.".into();
    }
    match delay(text) {
        Some(delay) => {
            call.session.timeout = delay;
            Outcome::Done
        }
        None => "Invalid timeout value.".into(),
    }
}

/// A number of seconds, or a number with a unit.
fn delay(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let seconds = |n: u64| Some(Duration::from_secs(number.checked_mul(n)?));
    match unit {
        "us" => Some(Duration::from_micros(number)),
        "ms" => Some(Duration::from_millis(number)),
        "" | "s" => seconds(1),
        "m" => seconds(60),
        "h" => seconds(3600),
        "d" => seconds(86_400),
        _ => None,
    }
}

pub(super) fn clear_counters(call: Call<'_>) -> Outcome {
    if call.word(2) != "all" {
        call.sight.clear_peaks();
        return Outcome::Done;
    }
    if call.session.level < Level::Admin {
        return DENIED.into();
    }
    call.sight.clear();
    Outcome::Done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_seconds_unless_they_say_otherwise() {
        for (text, millis) in [
            ("60", Some(60_000)),
            ("5ms", Some(5)),
            ("2m", Some(120_000)),
            ("1d", Some(86_400_000)),
            ("x", None),
            ("5x", None),
        ] {
            assert_eq!(delay(text), millis.map(Duration::from_millis), "{text}");
        }
    }
}

//! The configuration loader: any text gives a configuration or errors with places, never a panic, and never without
//! saying why.
#![no_main]

use evenkeel::config::{Sources, load_from_sources};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let sources = Sources::of_text("evenkeel.toml", text);
    let loaded = load_from_sources(&sources, "a");
    let human = loaded.render_human(false);
    let json = loaded.render_json();
    assert_eq!(loaded.is_valid(), !loaded.diagnostics.iter().any(|d| d.is_error()));
    assert_eq!(json.lines().count(), loaded.diagnostics.len(), "one line for each");
    assert!(loaded.is_valid() || human.contains("error"), "an error is said: {human}");
});

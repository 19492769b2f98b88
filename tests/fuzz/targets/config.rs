//! The configuration loader: any text gives a configuration or errors with places, never a panic, and never without
//! saying why. What is valid means the same with everything written out, and a file in its form stays as it is.
#![no_main]

use evenkeel::config::{Sources, Tree, format, load_from_sources};
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
    if let Some(once) = format::format(text) {
        assert_eq!(format::format(&once).as_ref(), Some(&once));
    }
    if loaded.is_valid() {
        let effective = Tree::effective(&sources, "a").to_toml(Some(&sources));
        let again = load_from_sources(&Sources::of_text("evenkeel.toml", &effective), "a");
        assert!(again.is_valid(), "{}", again.render_human(false));
    }
});

//! What a proxy section says about records of requests and connections.

use evenkeel_proxy::access_log::{Captures, Fields};
use evenkeel_proxy::plan::{LogFormat, Records, UniqueId};

/// Keys of [`crate::config::keys`] about records, beside where they go and what they look like.
#[derive(Debug, Clone, Default)]
pub(in crate::config) struct RecordSettings {
    pub(in crate::config) dontlog_normal: Option<bool>,
    pub(in crate::config) separate_errors: Option<bool>,
    pub(in crate::config) tag: Option<String>,
    pub(in crate::config) capture: Option<Captures>,
    /// `Some(None)`: said to be off.
    pub(in crate::config) unique_id: Option<Option<UniqueId>>,
}

impl RecordSettings {
    /// What is said here, and what `base` says of the rest.
    pub(super) fn over(self, base: &Self) -> Self {
        Self {
            dontlog_normal: self.dontlog_normal.or(base.dontlog_normal),
            separate_errors: self.separate_errors.or(base.separate_errors),
            tag: self.tag.or_else(|| base.tag.clone()),
            capture: self.capture.or_else(|| base.capture.clone()),
            unique_id: self.unique_id.or_else(|| base.unique_id.clone()),
        }
    }

    /// For a frontend whose records are written in `format`, which gets to know where the fields are kept that it shows.
    /// So many rules capture something. `None`: nothing is particular about them.
    pub(in crate::config) fn records(
        &self,
        format: &mut LogFormat,
        is_http: bool,
        fields: Fields,
        by_rules: u16,
    ) -> Option<Box<Records>> {
        let mut records = Records {
            dontlog_normal: self.dontlog_normal.unwrap_or(false),
            separate_errors: self.separate_errors.unwrap_or(false),
            fields,
            ..Records::default()
        };
        // What a default says of requests does not concern what is not HTTP.
        if is_http {
            records.captures = self.capture.clone().unwrap_or_default();
            records.captures.by_rules = by_rules;
            records.unique_id = self.unique_id.clone().flatten();
            records.ask(format);
        }
        (records != Records::default() || records.is_needed_for(format)).then(|| Box::new(records))
    }
}

//! Decimal numbers straight into a buffer: the formatting machinery of `std` costs several times as much.

use std::time::Duration;

/// Appends `value`.
pub(super) fn push_unsigned(out: &mut Vec<u8>, value: u64) {
    push_padded(out, value, 1);
}

/// Appends `value` with leading zeros up to `width` digits, at most 20.
pub(super) fn push_padded(out: &mut Vec<u8>, mut value: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut first = digits.len();
    for (position, digit) in digits.iter_mut().enumerate().rev() {
        if value == 0 && first != 20 {
            break;
        }
        *digit = b'0' + u8::try_from(value % 10).unwrap_or(0);
        value /= 10;
        first = position;
    }
    let from = first.min(digits.len().saturating_sub(width));
    out.extend_from_slice(digits.get(from..).unwrap_or_default());
}

/// Appends whole milliseconds; `-1` for a step that was not reached, as HAProxy writes it.
pub(super) fn push_millis(out: &mut Vec<u8>, value: Option<Duration>) {
    match value {
        Some(duration) => push_unsigned(out, u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)),
        None => out.extend_from_slice(b"-1"),
    }
}

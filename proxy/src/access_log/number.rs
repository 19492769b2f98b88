//! Decimal numbers straight into a buffer: the formatting machinery of `std` costs several times as much.

use std::time::Duration;

use crate::decimal::push_then;

/// Appends `value`.
#[inline]
pub(super) fn push_unsigned(out: &mut Vec<u8>, value: u64) {
    // Most numbers of a line have one digit.
    match u8::try_from(value) {
        Ok(digit @ 0..=9) => out.push(b'0' + digit),
        _ => push_padded(out, value, 1),
    }
}

/// Appends `value` with leading zeros up to `width` digits, at most 20.
pub(super) fn push_padded(out: &mut Vec<u8>, value: u64, width: usize) {
    let mut digits = [b'0'; LONGEST];
    let mut first = LONGEST;
    let mut rest = value;
    for digit in digits.iter_mut().rev() {
        if rest == 0 {
            break;
        }
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        first -= 1;
    }
    let from = first.min(LONGEST.saturating_sub(width));
    out.extend_from_slice(digits.get(from..).unwrap_or_default());
}

/// Appends the two digits of a number below 100.
#[inline]
pub(super) fn push_two(out: &mut Vec<u8>, value: u8) {
    out.extend_from_slice(&[b'0' + value / 10 % 10, b'0' + value % 10]);
}

/// Appends whole milliseconds and the byte that follows them; `-1` for a step that was not reached, as HAProxy writes it.
#[inline]
pub(super) fn push_millis_then(out: &mut Vec<u8>, value: Option<Duration>, after: u8) {
    match value {
        Some(duration) => push_then(out, whole_millis(duration), after),
        None => out.extend_from_slice(&[b'-', b'1', after]),
    }
}

/// Whole milliseconds of a duration.
#[inline]
pub(super) fn whole_millis(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1000).saturating_add(duration.subsec_millis().into())
}

/// Digits of the largest number.
const LONGEST: usize = 20;

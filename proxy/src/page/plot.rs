//! Small pictures of the last minutes: how much there was, and in front of it how much of it went wrong.

use std::collections::VecDeque;
use std::fmt::Write as _;

use crate::metrics::recent::Track;

/// Points of the two lines of a picture, [`WIDTH`] by [`HEIGHT`]. `None`: there is nothing to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plot {
    /// A closed line around everything.
    pub all: String,
    /// A closed line around what went wrong. Empty: nothing did.
    pub errors: String,
    /// The most there was in one stretch.
    pub most: u32,
}

impl Plot {
    /// Of what there was.
    pub fn of(track: &Track) -> Option<Self> {
        let most = track.requests.iter().chain(&track.errors).copied().max().filter(|most| *most > 0)?;
        let errors =
            if track.errors.iter().any(|n| *n > 0) { area(&track.errors, most) } else { String::new() };
        Some(Self { all: area(&track.requests, most), errors, most })
    }
}

/// A line along the tops and back along the ground, the latest at the right.
fn area(values: &VecDeque<u32>, most: u32) -> String {
    let mut points = String::new();
    let first = POINTS.saturating_sub(values.len());
    let x = |at: usize| at as f64 * f64::from(WIDTH) / (POINTS - 1) as f64;
    for (at, value) in (first..).zip(values) {
        let y = f64::from(HEIGHT) * (1.0 - f64::from(*value) / f64::from(most));
        point(&mut points, x(at), y);
    }
    point(&mut points, f64::from(WIDTH), f64::from(HEIGHT));
    point(&mut points, x(first), f64::from(HEIGHT));
    points
}

fn point(points: &mut String, x: f64, y: f64) {
    // Writing to a String cannot fail.
    write!(points, "{x:.1},{y:.1} ").unwrap_or_default();
}

/// Points there is room for: as many as are kept.
const POINTS: usize = 120;

/// Of a picture, in its own units.
pub const WIDTH: u32 = 120;

/// Of a picture, in its own units.
pub const HEIGHT: u32 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_end_at_the_right() {
        let track = Track { requests: [0, 10, 5].into(), errors: [0, 0, 5].into() };
        let plot = Plot::of(&track).unwrap();
        assert_eq!(plot.all, "118.0,20.0 119.0,0.0 120.0,10.0 120.0,20.0 118.0,20.0 ");
        assert_eq!(plot.errors, "118.0,20.0 119.0,20.0 120.0,10.0 120.0,20.0 118.0,20.0 ");
        let quiet = Track { requests: [0; 120].into(), errors: [0; 120].into() };
        assert_eq!(Plot::of(&quiet), None);
        let fine = Track { errors: [0].into(), ..track };
        assert_eq!(Plot::of(&fine).map(|p| p.errors), Some(String::new()));
    }
}

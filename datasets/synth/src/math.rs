//! Arithmetic of the generators: additions, multiplications and plain Rust functions only, so that every machine computes
//! the same bits and a set's frames and samples can be told by a hash.

/// sin(2 pi x); the error is below 4e-6.
pub(super) fn sin_turns(x: f32) -> f32 {
    let turn = x - (x + 0.5).floor();
    let quarter = if turn > 0.25 {
        0.5 - turn
    } else if turn < -0.25 {
        -0.5 - turn
    } else {
        turn
    };
    let square = quarter * quarter;
    quarter * (6.283_185_5 + square * (-41.341_7 + square * (81.605_25 + square * (-76.705_86 + square * 42.058_69))))
}

/// cos(2 pi x).
pub(super) fn cos_turns(x: f32) -> f32 {
    sin_turns(x + 0.25)
}

/// Where in its turn the point lies, 0..1, counted from the x axis towards y.
pub(super) fn turn_of(x: f32, y: f32) -> f32 {
    let turn = libm::atan2f(y, x) * (0.5 / std::f32::consts::PI);
    if turn < 0.0 { turn + 1.0 } else { turn }
}

/// 0 below the first edge, 1 above the second, smooth between.
pub(super) fn smooth(low: f32, high: f32, x: f32) -> f32 {
    let t = ((x - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

pub(super) fn mix(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}

pub(super) fn length(x: f32, y: f32) -> f32 {
    (x * x + y * y).sqrt()
}

/// Rises from 0 to 1 and falls back, once a turn.
pub(super) fn triangle(x: f32) -> f32 {
    1.0 - 2.0 * (x - x.floor() - 0.5).abs()
}

/// 1 where the wave `x` (in turns) is in its upper half, 0 elsewhere, with soft edges.
pub(super) fn stripes(x: f32) -> f32 {
    smooth(-0.35, 0.35, sin_turns(x))
}

/// 2 to the power of x.
pub(super) fn exp2(x: f32) -> f32 {
    libm::exp2f(x)
}

/// Red, green and blue (0..1) of a hue (in turns), saturation and value.
pub(super) fn colour(hue: f32, saturation: f32, value: f32) -> [f32; 3] {
    let channel = |n: f32| {
        let k = (n + hue * 6.0).rem_euclid(6.0);
        value - value * saturation * k.min(4.0 - k).clamp(0.0, 1.0)
    };
    [channel(5.0), channel(3.0), channel(1.0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sine_is_as_exact_as_stated() {
        for n in -4000..4000 {
            let x = n as f32 / 1000.0;
            let exact = (f64::from(x) * std::f64::consts::TAU).sin();
            assert!((f64::from(sin_turns(x)) - exact).abs() < 5e-6, "at {x}");
        }
    }

    #[test]
    fn primary_colours_are_where_they_should_be() {
        assert_eq!(colour(0.0, 1.0, 1.0), [1.0, 0.0, 0.0]);
        let green = colour(1.0 / 3.0, 1.0, 1.0);
        assert!(green[0] < 1e-5 && green[1] == 1.0 && green[2] < 1e-5);
    }
}

//! Scalar functions written so that loops over them become vector code, and sums with a fixed order.

#![allow(clippy::needless_range_loop, reason = "fixed lanes indexed together become vector registers")]

use std::f32::consts::{FRAC_1_SQRT_2, LOG2_E};
use std::hint::black_box;

/// e^x, relative error about 1e-7; arguments are held within the range of normal numbers.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    // x = n ln 2 + r, a polynomial in r (Cephes), and 2^n through the exponent bits.
    let x = x.clamp(-87.3, 88.3);
    let n = (x * LOG2_E).round_ties_even();
    let r = (-n).mul_add(0.693_145_75, x);
    let r = (-n).mul_add(1.428_606_8e-6, r);
    let mut p = 1.987_569_1e-4_f32;
    p = p.mul_add(r, 1.398_199_9e-3);
    p = p.mul_add(r, 8.333_452e-3);
    p = p.mul_add(r, 4.166_579_6e-2);
    p = p.mul_add(r, 1.666_666_5e-1);
    p = p.mul_add(r, 0.5);
    let y = p.mul_add(r * r, r) + 1.0;
    // SAFETY: n is a whole number within -126..=127, so the conversion is exact.
    let exponent = unsafe { n.to_int_unchecked::<i32>() };
    y * f32::from_bits(((exponent + 127) << 23) as u32)
}

/// GELU(x) = x Phi(x) with the error function (as PyTorch's default), and its derivative Phi(x) + x phi(x).
#[inline(always)]
pub(crate) fn gelu_with_slope(x: f32) -> (f32, f32) {
    // erf by Abramowitz and Stegun 7.1.26 (absolute error 1.5e-7); its exponential is the density's.
    let a = x.abs() * FRAC_1_SQRT_2;
    let t = 1.0 / 0.327_591_1_f32.mul_add(a, 1.0);
    let mut p = 1.061_405_4_f32;
    p = p.mul_add(t, -1.453_152_1);
    p = p.mul_add(t, 1.421_413_8);
    p = p.mul_add(t, -0.284_496_72);
    p = p.mul_add(t, 0.254_829_6);
    let e = exp(-a * a);
    let tail = 0.5 * p * t * e; // 1 - Phi(|x|)
    let phi = if x < 0.0 { tail } else { 1.0 - tail };
    (x * phi, (x * 0.398_942_3).mul_add(e, phi))
}

const LANES: usize = 8;

/// Sum of the lanes in their order.
#[inline(always)]
fn across(lanes: [f32; LANES]) -> f32 {
    // Out of the compiler's sight: it would see that lanes are added in pairs, and compute all before in vectors of two.
    black_box(lanes).iter().sum()
}

/// Sum of f(i) over two slices' pairs, in an order that depends only on the length.
#[inline(always)]
fn fold(a: &[f32], b: &[f32], f: impl Fn(f32, f32, f32) -> f32) -> f32 {
    let mut lanes = [[0f32; LANES]; 2];
    let (a_pairs, a_rest) = a.as_chunks::<{ 2 * LANES }>();
    let (b_pairs, b_rest) = b.as_chunks::<{ 2 * LANES }>();
    for (x, y) in a_pairs.iter().zip(b_pairs) {
        for i in 0..LANES {
            lanes[0][i] = f(x[i], y[i], lanes[0][i]);
            lanes[1][i] = f(x[LANES + i], y[LANES + i], lanes[1][i]);
        }
    }
    let (a_last, a_rest) = a_rest.as_chunks::<LANES>();
    let (b_last, b_rest) = b_rest.as_chunks::<LANES>();
    for (x, y) in a_last.iter().zip(b_last) {
        for i in 0..LANES {
            lanes[0][i] = f(x[i], y[i], lanes[0][i]);
        }
    }
    for i in 0..LANES {
        lanes[0][i] += lanes[1][i];
    }
    let mut total = across(lanes[0]);
    for (x, y) in a_rest.iter().zip(b_rest) {
        total = f(*x, *y, total);
    }
    total
}

/// Sum of a slice.
#[inline(always)]
pub(crate) fn sum(a: &[f32]) -> f32 {
    fold(a, a, |x, _, acc| acc + x)
}

/// Sum of products.
#[inline(always)]
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    fold(a, b, |x, y, acc| x.mul_add(y, acc))
}

/// Sum of a (b - centre).
#[inline(always)]
pub(crate) fn dot_centred(a: &[f32], b: &[f32], centre: f32) -> f32 {
    fold(a, b, |x, y, acc| x.mul_add(y - centre, acc))
}

/// Sum of (a - centre)^2.
#[inline(always)]
pub(crate) fn squared_distance(a: &[f32], centre: f32) -> f32 {
    fold(a, a, |x, _, acc| (x - centre).mul_add(x - centre, acc))
}

/// Largest element.
#[inline(always)]
pub(crate) fn maximum(a: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = a.as_chunks::<LANES>();
    for x in chunks {
        for i in 0..LANES {
            lanes[i] = if x[i] > lanes[i] { x[i] } else { lanes[i] };
        }
    }
    lanes.iter().chain(rest).fold(f32::NEG_INFINITY, |m, &x| if x > m { x } else { m })
}

/// Replaces a row by e^(row - shift) and returns the sum.
#[inline(always)]
pub(crate) fn exp_and_sum(row: &mut [f32], shift: f32) -> f32 {
    let mut lanes = [0f32; LANES];
    let (chunks, rest) = row.as_chunks_mut::<LANES>();
    for x in chunks {
        for i in 0..LANES {
            x[i] = exp(x[i] - shift);
            lanes[i] += x[i];
        }
    }
    let mut total: f32 = lanes.iter().sum();
    for x in rest {
        *x = exp(*x - shift);
        total += *x;
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_good_to_two_parts_in_ten_million() {
        for i in -8000..8000 {
            let x = i as f32 * 0.01;
            let expected = (x as f64).exp();
            assert!(((exp(x) as f64 - expected) / expected).abs() < 2e-7, "exp({x})");
        }
    }

    #[test]
    fn gelu_slope_is_the_derivative() {
        for i in -600..600 {
            let x = i as f64 * 0.01;
            let (y, slope) = gelu_with_slope(x as f32);
            // Reference values by numerical integration of the normal density.
            let phi = |x: f64| {
                let n = 2000;
                let h = x / n as f64;
                let d = |t: f64| (-0.5 * t * t).exp() / (2.0 * std::f64::consts::PI).sqrt();
                0.5 + (0..n).map(|k| h * d((k as f64 + 0.5) * h)).sum::<f64>()
            };
            let density = (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
            assert!((y as f64 - x * phi(x)).abs() < 2e-6, "gelu({x})");
            assert!((slope as f64 - (phi(x) + x * density)).abs() < 2e-6, "slope at {x}");
        }
    }

    #[test]
    fn sums_cover_every_remainder() {
        for n in 0..40 {
            let a: Vec<f32> = (0..n).map(|i| i as f32 - 3.0).collect();
            assert_eq!(sum(&a), a.iter().sum::<f32>());
            assert_eq!(dot(&a, &a), a.iter().map(|x| x * x).sum::<f32>());
            assert_eq!(squared_distance(&a, 1.0), a.iter().map(|x| (x - 1.0) * (x - 1.0)).sum::<f32>());
            assert_eq!(maximum(&a), a.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        }
    }
}

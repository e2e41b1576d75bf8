//! Tensors of tests: reproducible numbers, comparison, finite differences.

use candle_core::{Device, Tensor, Var};

/// Reproducible numbers in (-1, 1).
pub fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(1);
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 40) as f32 / (1u64 << 24) as f32) * 2.0 - 1.0
        })
        .collect()
}

/// A variable of reproducible numbers.
pub fn var(shape: &[usize], seed: u64) -> Var {
    Var::from_tensor(&tensor(shape, seed)).unwrap()
}

/// A tensor of reproducible numbers.
pub fn tensor(shape: &[usize], seed: u64) -> Tensor {
    Tensor::from_vec(numbers(shape.iter().product(), seed), shape, &Device::Cpu).unwrap()
}

/// All numbers of a tensor.
pub fn values(t: &Tensor) -> Vec<f32> {
    t.flatten_all().unwrap().to_vec1().unwrap()
}

/// Largest difference, relative to the larger of 1 and the largest expected number.
pub fn difference(found: &Tensor, expected: &Tensor) -> f32 {
    assert_eq!(found.dims(), expected.dims());
    let (a, b) = (values(found), values(expected));
    let scale = b.iter().fold(1f32, |m, x| m.max(x.abs()));
    a.iter().zip(&b).fold(0f32, |m, (x, y)| if (x - y).is_nan() { f32::NAN } else { m.max((x - y).abs()) }) / scale
}

/// Checks that two functions of the same variables agree in value and in every gradient.
pub fn assert_same(vars: &[&Var], tolerance: f32, fast: impl Fn() -> Tensor, plain: impl Fn() -> Tensor) {
    let (a, b) = (fast(), plain());
    let d = difference(&a, &b);
    assert!(d <= tolerance, "values differ by {d}");
    let weight = tensor(a.dims(), 99);
    let grads = |y: &Tensor| (y * &weight).unwrap().sum_all().unwrap().backward().unwrap();
    let (ga, gb) = (grads(&a), grads(&b));
    for (i, v) in vars.iter().enumerate() {
        let d = difference(ga.get(v).expect("a gradient"), gb.get(v).expect("a gradient"));
        assert!(d <= tolerance, "gradient of argument {i} differs by {d}");
    }
}

/// Checks gradients by central differences of the weighted sum of the output, on up to `probes` elements a variable.
pub fn assert_gradients(vars: &[&Var], probes: usize, tolerance: f64, f: impl Fn() -> Tensor) {
    let weight = tensor(f().dims(), 77);
    let loss = || -> f64 {
        let y = values(&f());
        y.iter().zip(values(&weight)).map(|(y, w)| *y as f64 * w as f64).sum()
    };
    let grads = (f() * &weight).unwrap().sum_all().unwrap().backward().unwrap();
    for (index, v) in vars.iter().enumerate() {
        let analytic = values(grads.get(v).expect("a gradient"));
        let original = values(v);
        let stride = (original.len() / probes.max(1)).max(1);
        for i in (0..original.len()).step_by(stride) {
            let h = 5e-3f32;
            let at = |delta: f32| {
                let mut moved = original.clone();
                moved[i] += delta;
                v.set(&Tensor::from_vec(moved, v.dims(), &Device::Cpu).unwrap()).unwrap();
                loss()
            };
            // Fourth-order differences allow a step large enough for single precision.
            let numeric = (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h as f64);
            v.set(&Tensor::from_vec(original.clone(), v.dims(), &Device::Cpu).unwrap()).unwrap();
            let error = (numeric - analytic[i] as f64).abs() / numeric.abs().max(1.0);
            assert!(
                error <= tolerance,
                "argument {index}, element {i}: {} by hand, {numeric} by differences",
                analytic[i]
            );
        }
    }
}

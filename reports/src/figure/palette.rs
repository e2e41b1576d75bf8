//! Colours, dashes and marks of series.
//!
//! The colours are those of Okabe and Ito ("Color Universal Design", 2008) without yellow, which is too light for lines;
//! dark pages get lighter ones of the same order.

/// A place in the palette. More series than colours repeat the colours with other dashes.
pub(crate) const COLOURS: usize = 6;

const LIGHT: [&str; COLOURS] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#333333"];
const DARK: [&str; COLOURS] = ["#56b4e9", "#ff8a3d", "#1fc79a", "#e8a5cb", "#f5c04a", "#d8dee4"];

/// The style of a figure that stands alone.
pub const STYLE: &str = "\
.page{fill:#fff}text{font-family:Ubuntu,system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif;font-size:13px;\
fill:#1f2328}.title{font-weight:600}.soft{fill:#59636e}.grid{stroke:#d8dee4;stroke-width:1}.line{fill:none;stroke-width:2}\
.thin{stroke-width:1.2}.k0{stroke:#0072b2}.k1{stroke:#d55e00}.k2{stroke:#009e73}.k3{stroke:#cc79a7}.k4{stroke:#e69f00}\
.k5{stroke:#333333}.f0{fill:#0072b2}.f1{fill:#d55e00}.f2{fill:#009e73}.f3{fill:#cc79a7}.f4{fill:#e69f00}.f5{fill:#333333}\
.hollow{fill:#fff}.idle{fill:#d8dee4}";

/// The same classes by variables, for a page that is read light or dark.
pub fn style_of_page() -> String {
    let variables = |colours: [&str; COLOURS]| -> String {
        colours.iter().enumerate().map(|(i, colour)| format!("--c{i}:{colour};")).collect()
    };
    let classes: String =
        (0..COLOURS).map(|i| format!(".figure .k{i}{{stroke:var(--c{i})}}.figure .f{i}{{fill:var(--c{i})}}")).collect();
    format!(
        ":root{{{}}}@media (prefers-color-scheme:dark){{:root{{{}}}}}\
         .figure text{{font-size:13px;fill:var(--ink)}}.figure .title{{font-weight:600}}.figure .soft{{fill:var(--soft)}}\
         .figure .grid{{stroke:var(--rule);stroke-width:1}}.figure .line{{fill:none;stroke-width:2}}\
         .figure .thin{{stroke-width:1.2}}.figure .hollow{{fill:var(--page)}}.figure .idle{{fill:var(--rule)}}{classes}",
        variables(LIGHT),
        variables(DARK)
    )
}

/// The dash of a series.
pub(super) fn dash(series: usize) -> &'static str {
    ["", "7 3", "2 3", "9 3 2 3", "4 2", "1 4"][series % 6]
}

/// A mark around (x, y): disc, square, triangle, diamond, cross or ring by series.
pub(super) fn mark(series: usize, x: f64, y: f64, size: f64) -> String {
    use super::svg::n;
    let class = format!("f{} k{}", series % COLOURS, series % COLOURS);
    let (left, right, top, bottom) = (n(x - size), n(x + size), n(y - size), n(y + size));
    let (x, y) = (n(x), n(y));
    match series % COLOURS {
        0 => format!("<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"{}\"/>", n(size)),
        1 => format!("<rect class=\"{class}\" x=\"{left}\" y=\"{top}\" width=\"{0}\" height=\"{0}\"/>", n(2.0 * size)),
        2 => format!("<path class=\"{class}\" d=\"M{left} {bottom}L{right} {bottom}L{x} {top}z\"/>"),
        3 => format!("<path class=\"{class}\" d=\"M{left} {y}L{x} {top}L{right} {y}L{x} {bottom}z\"/>"),
        4 => {
            format!("<path class=\"line {class}\" d=\"M{left} {top}L{right} {bottom}M{left} {bottom}L{right} {top}\"/>")
        }
        _ => format!("<circle class=\"hollow k5\" cx=\"{x}\" cy=\"{y}\" r=\"{}\"/>", n(size)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn linear(colour: &str) -> [f64; 3] {
        std::array::from_fn(|i| {
            let value = f64::from(u8::from_str_radix(&colour[1 + 2 * i..3 + 2 * i], 16).unwrap()) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        })
    }

    /// CIE L*a*b* of linear RGB, white point D65.
    fn lab(rgb: [f64; 3]) -> [f64; 3] {
        let m = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]];
        let white = [0.9505, 1.0, 1.089];
        let f: [f64; 3] = std::array::from_fn(|i| {
            let t = (0..3).map(|j| m[i][j] * rgb[j]).sum::<f64>() / white[i];
            if t > 0.008_856 { t.cbrt() } else { 7.787 * t + 16.0 / 116.0 }
        });
        [116.0 * f[1] - 16.0, 500.0 * (f[0] - f[1]), 200.0 * (f[1] - f[2])]
    }

    #[test]
    fn the_colour_blind_can_tell_the_colours_apart() {
        // Full protanopia, deuteranopia and tritanopia on linear RGB: Machado, Oliveira, Fernandes 2009, severity 1.
        let sights = [
            [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
            [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
            [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
            [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
        ];
        for colours in [LIGHT, DARK] {
            for (which, sight) in sights.iter().enumerate() {
                let seen = colours.map(|c| {
                    let rgb = linear(c);
                    lab(std::array::from_fn(|i| (0..3).map(|j| sight[i][j] * rgb[j]).sum::<f64>().clamp(0.0, 1.0)))
                });
                for i in 0..COLOURS {
                    for j in 0..i {
                        let d = (0..3).map(|k| (seen[i][k] - seen[j][k]).powi(2)).sum::<f64>().sqrt();
                        // 2.3 is just noticeable side by side.
                        assert!(d > 9.0, "{} and {} are {d:.1} apart for sight {which}", colours[i], colours[j]);
                    }
                }
            }
        }
    }

    #[test]
    fn the_standalone_style_has_the_light_colours() {
        for (i, colour) in LIGHT.iter().enumerate() {
            assert!(STYLE.contains(&format!(".k{i}{{stroke:{colour}}}")), "{colour}");
        }
    }
}
